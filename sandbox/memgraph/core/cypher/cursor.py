"""A position in a token list, with the helpers every parser part uses."""

from __future__ import annotations

from sandbox.memgraph.core.cypher.lexer import Token, syntax_error, tokenize, unquote_name
from sandbox.memgraph.core.errors import QueryError


class Cursor:
    """Reads tokens from left to right. All errors are QueryError with Memgraph's kind of text."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens = tokenize(query)
        self.index = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.index]

    def advance(self) -> Token:
        """Consume and return the next token."""
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def at(self, *words: str) -> bool:
        """Whether the next tokens are these keywords or operators."""
        if self.tokens[self.index].keyword != words[0]:
            return False
        following = self.tokens[self.index : self.index + len(words)]
        return len(following) == len(words) and all(
            token.keyword == word for token, word in zip(following, words, strict=True)
        )

    def accept(self, *words: str) -> bool:
        """Consume these keywords if they come next."""
        if self.at(*words):
            self.index += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Consume these keywords one after the other."""
        for word in words:
            if not self.accept(word):
                raise self.mismatch(word)

    def name(self) -> str:
        """A symbolic name: identifier, keyword or back-quoted."""
        if self.token.kind not in ("name", "quoted"):
            raise self.mismatch("{identifier}")
        return unquote_name(self.advance().text)

    def error(self, problem: str) -> QueryError:
        """A syntax error at the next token."""
        return syntax_error(self.query, self.token.start, problem)

    def mismatch(self, expected: str) -> QueryError:
        """The next token is not what the grammar wants."""
        return self.error(f"mismatched input '{self.token.text}' expecting {expected}")
