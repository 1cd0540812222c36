"""Which variables a query declares and uses: checked, and `*` resolved, before anything runs."""

from __future__ import annotations

from dataclasses import replace

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.errors import QueryError


def resolve(query: ast.Cypher, given: frozenset[str] = frozenset()) -> ast.Cypher:
    """The query with columns instead of `*`. `given`: variables that are there before the first clause.

    Raises Memgraph's errors for unbound and redeclared variables.
    """
    scope = set(given)
    clauses: list[ast.Clause] = []
    for written in query.clauses:
        clause = _expanded(written, scope)
        clauses.append(clause)
        match clause:
            case ast.Unwind(items, variable):
                _used(items, scope)
                _declare(variable, scope)
            case ast.Match():
                _match(clause.patterns, scope)
                _used(clause.where, scope)
            case ast.Create(patterns):
                for path in patterns:
                    _create(path, scope)
            case ast.Merge():
                _create(clause.pattern, scope)
                for action in (clause.on_create, clause.on_match):
                    _change(action.items if action else (), scope)
            case ast.Set(items=items) | ast.Remove(items=items):
                _change(items, scope)
            case ast.Delete(items=expressions):
                for expression in expressions:
                    _used(expression, scope)
            case ast.With():
                scope = _project(clause.body, scope)
                _used(clause.where, scope)
            case ast.Return():
                _project(clause, scope)
    return replace(query, clauses=tuple(clauses))


def _expanded(clause: ast.Clause, scope: set[str]) -> ast.Clause:
    """All variables that have a name, in the order of their names."""
    body = clause.body if isinstance(clause, ast.With) else clause
    if not isinstance(body, ast.Return) or not body.everything:
        return clause
    names = sorted(name for name in scope if not name.startswith(" "))
    if not names:
        raise QueryError("There are no variables in scope to use for '*'.")
    columns = tuple(ast.Column(ast.Variable(name), name, aliased=False) for name in names)
    body = replace(body, columns=columns + body.columns, everything=False)
    return replace(clause, body=body) if isinstance(clause, ast.With) else body


def _used(expression: ast.Expression | None, scope: set[str]) -> None:
    for name in sorted(ast.variables(expression) - scope) if expression is not None else ():
        raise QueryError(f"Unbound variable: {name}.")


def _declare(variable: str, scope: set[str]) -> None:
    if variable in scope:
        raise QueryError(f"Redeclaring variable: {variable}.")
    scope.add(variable)


def _match(patterns: tuple[ast.Path, ...], scope: set[str]) -> None:
    """Properties may use variables that the same clause declares further on."""
    for path in patterns:
        for edge in path.edges:
            _declare(edge.variable, scope)
    scope.update(node.variable for path in patterns for node in path.nodes)
    for path in patterns:
        for part in path.parts:
            _used(part.properties, scope)


def _create(path: ast.Path, scope: set[str]) -> None:
    """Only an end of a relationship may be there already, and then as a bare variable."""
    for part in path.parts:
        _used(part.properties, scope)
        known = isinstance(part, ast.NodePattern) and part.variable in scope and path.edges
        if not known:
            _declare(part.variable, scope)
        elif part.properties != ast.MapOf(()) or (isinstance(part, ast.NodePattern) and part.labels):
            raise QueryError(
                f"Cannot create node '{part.variable}' with labels or properties, because it is already declared."
            )


def _change(
    items: tuple[ast.SetItem | ast.SetAll | ast.SetLabels | ast.RemoveProperty | ast.RemoveLabels, ...],
    scope: set[str],
) -> None:
    for item in items:
        _used(ast.Variable(item.variable), scope)
        if isinstance(item, ast.SetItem | ast.SetAll):
            _used(item.value, scope)


def _project(body: ast.Return, scope: set[str]) -> set[str]:
    names: set[str] = set()
    for column in body.columns:
        _used(column.expression, scope)
        if column.name in names:
            raise QueryError(f"Multiple results with the same name '{column.name}' are not allowed.")
        names.add(column.name)
    for expression, _ in body.order:
        _used(expression, scope | names)
    for amount in (body.skip, body.limit):
        _used(amount, set())
    return names
