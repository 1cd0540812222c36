// The neo4j Go driver, with managed transactions: see conducted.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"
)

const (
	write = "CREATE (:Change {id: $id})"
	read  = "UNWIND range(1, $rows) AS x RETURN x"
	rows  = 5000
)

type described struct {
	Error   string `json:"error"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

type app struct {
	Event    string      `json:"event"`
	Failure  *described  `json:"failure"`
	Attempts int         `json:"attempts"`
	Rows     int         `json:"rows"`
	Errors   []described `json:"errors"`
	id       string
	isReady  bool
}

type work func(tx neo4j.ManagedTransaction) error

func (a *app) ready() {
	if a.isReady {
		return
	}
	a.isReady = true
	fmt.Println(`{"event": "ready"}`)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func (a *app) attempt(do work) neo4j.ManagedTransactionWork {
	return func(tx neo4j.ManagedTransaction) (any, error) {
		a.Attempts++
		a.Rows = 0
		err := do(tx)
		if err != nil {
			a.Errors = append(a.Errors, describe(err))
		}
		return nil, err
	}
}

func (a *app) run(ctx context.Context, state string, session neo4j.SessionWithContext) error {
	create := func(tx neo4j.ManagedTransaction) error {
		return consumed(ctx, tx, write, map[string]any{"id": a.id})
	}
	switch state {
	case "idle":
		before := func(tx neo4j.ManagedTransaction) (any, error) {
			return nil, consumed(ctx, tx, write, map[string]any{"id": a.id + " before"})
		}
		if _, err := session.ExecuteWrite(ctx, before); err != nil {
			return err
		}
		a.ready()
		_, err := session.ExecuteWrite(ctx, a.attempt(create))
		return err
	case "stream":
		_, err := session.ExecuteRead(ctx, a.attempt(func(tx neo4j.ManagedTransaction) error {
			result, err := tx.Run(ctx, read, map[string]any{"rows": rows})
			if err != nil {
				return err
			}
			for result.Next(ctx) {
				a.Rows++
				if a.Rows == rows/2 {
					a.ready()
				}
			}
			return result.Err()
		}))
		return err
	case "transaction", "commit":
		_, err := session.ExecuteWrite(ctx, a.attempt(func(tx neo4j.ManagedTransaction) error {
			if err := create(tx); err != nil {
				return err
			}
			a.ready()
			if state == "commit" {
				return nil
			}
			return consumed(ctx, tx, "RETURN 1", nil)
		}))
		return err
	}
	return errors.New("unknown state " + state)
}

func consumed(ctx context.Context, tx neo4j.ManagedTransaction, query string, parameters map[string]any) error {
	result, err := tx.Run(ctx, query, parameters)
	if err != nil {
		return err
	}
	_, err = result.Consume(ctx)
	return err
}

func describe(err error) described {
	kind := fmt.Sprintf("%T", err)
	code := ""
	var answered *neo4j.Neo4jError
	if errors.As(err, &answered) {
		code = answered.Code
	}
	return described{kind[strings.LastIndexAny(kind, ".*")+1:], code, err.Error()}
}

func main() {
	state, host, port := os.Args[1], os.Args[2], os.Args[3]
	ctx := context.Background()
	driver, err := neo4j.NewDriverWithContext("bolt://"+host+":"+port, neo4j.NoAuth())
	if err != nil {
		panic(err)
	}
	defer driver.Close(ctx)
	session := driver.NewSession(ctx, neo4j.SessionConfig{})
	defer session.Close(ctx)
	a := &app{Event: "done", Errors: []described{}, id: os.Args[4]}
	if err := a.run(ctx, state, session); err != nil {
		failure := describe(err)
		a.Failure = &failure
	}
	line, _ := json.Marshal(a)
	fmt.Println(string(line))
}
