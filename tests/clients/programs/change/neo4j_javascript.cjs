// The neo4j JavaScript driver, with managed transactions: see conducted.py.
"use strict";
const neo4j = require("neo4j-driver");
const readline = require("node:readline");

const WRITE = "CREATE (:Change {id: $id})";
const READ = "UNWIND range(1, $rows) AS x RETURN x";
const ROWS = 5000;

const [state, host, port, id] = process.argv.slice(2);
const input = readline.createInterface({ input: process.stdin });
const app = { attempts: 0, rows: 0, errors: [] };
let isReady = false;

const say = (message) => console.log(JSON.stringify(message));
const described = (error) => ({ error: error.name, code: error.code ?? "", message: error.message });

async function ready() {
  if (isReady) return;
  isReady = true;
  const line = new Promise((resolve) => input.once("line", resolve));
  say({ event: "ready" });
  await line;
}

const attempt = (work) => async (tx) => {
  app.attempts += 1;
  app.rows = 0;
  try {
    return await work(tx);
  } catch (error) {
    app.errors.push(described(error));
    throw error;
  }
};

const states = {
  async idle(session) {
    await session.executeWrite((tx) => tx.run(WRITE, { id: `${id} before` }));
    await ready();
    await session.executeWrite(attempt((tx) => tx.run(WRITE, { id })));
  },

  async stream(session) {
    const read = async (tx) => {
      for await (const _ of tx.run(READ, { rows: neo4j.int(ROWS) })) {
        app.rows += 1;
        if (app.rows === ROWS / 2) await ready();
      }
    };
    await session.executeRead(attempt(read));
  },

  async transaction(session) {
    const write = async (tx) => {
      await tx.run(WRITE, { id });
      await ready();
      await tx.run("RETURN 1");
    };
    await session.executeWrite(attempt(write));
  },

  async commit(session) {
    const write = async (tx) => {
      await tx.run(WRITE, { id });
      await ready();
    };
    await session.executeWrite(attempt(write));
  },
};

async function main() {
  const driver = neo4j.driver(`bolt://${host}:${port}`);
  const session = driver.session();
  let failure = null;
  try {
    await states[state](session);
  } catch (error) {
    failure = described(error);
  }
  say({ event: "done", failure, ...app });
  input.close();
  await driver.close();
}

main();
