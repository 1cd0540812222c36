// The neo4j JavaScript driver: `client.cjs SCENARIO HOST PORT GIVEN`, GIVEN and the one line printed being JSON.
"use strict";
const neo4j = require("neo4j-driver");

const [scenario, host, port, given] = process.argv.slice(2);

// JSON's whole numbers are meant as integers; the driver would send every number as a float.
function exact(value) {
  if (Number.isInteger(value)) return neo4j.int(value);
  if (Array.isArray(value)) return value.map(exact);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exact(item)]));
  return value;
}

const scenarios = {
  async write(driver, { run }) {
    const session = driver.session();
    const query = "CREATE (:Client {run: $run, id: $id})";
    const auto = await session.run(query, { run, id: neo4j.int(1) });
    const managed = await session.executeWrite((tx) => tx.run(query, { run, id: neo4j.int(2) }));
    const merged = await driver.executeQuery("MERGE (n:Client {run: $run, id: $id})", { run, id: neo4j.int(3) });
    await session.close();
    return [auto.summary, managed.summary, merged.summary].map((summary) => summary.counters.updates().nodesCreated);
  },

  async read(driver, { count }) {
    const session = driver.session({ defaultAccessMode: neo4j.session.READ });
    const query = "UNWIND range(1, $count) AS x RETURN x";
    const rows = (await session.run(query, { count })).records.map((record) => record.get("x"));
    const managed = await session.executeRead((tx) => tx.run(query, { count }));
    await session.close();
    return [rows.length, rows.reduce((sum, x) => sum + x, 0), managed.records.length, rows[0]];
  },

  async parameters(driver, { value }) {
    const session = driver.session();
    const result = await session.run("RETURN $value AS value", { value });
    await session.close();
    return result.records[0].get("value");
  },

  async node(driver, { run }) {
    const session = driver.session();
    const result = await session.run("CREATE (n:Client:Named {run: $run}) RETURN n", { run });
    await session.close();
    const node = result.records[0].get("n");
    return { labels: node.labels.sort(), properties: node.properties };
  },

  async error(driver, { query }) {
    const session = driver.session();
    try {
      await session.run(query);
      return null;
    } catch (failure) {
      const after = await session.run("RETURN 1 AS x");
      return { code: failure.code, message: failure.message, after: after.records[0].get("x") };
    } finally {
      await session.close();
    }
  },

  async rollback(driver, { run }) {
    const session = driver.session();
    const counts = [];
    for (const end of ["rollback", "commit"]) {
      const transaction = await session.beginTransaction();
      await transaction.run("CREATE (:Client {run: $run})", { run });
      await transaction[end]();
      const result = await session.run("MATCH (n:Client {run: $run}) RETURN count(n) AS c", { run });
      counts.push(result.records[0].get("c"));
    }
    await session.close();
    return counts;
  },

  async login(driver) {
    try {
      await driver.getServerInfo();
      return "in";
    } catch (failure) {
      return { code: failure.code, message: failure.message };
    }
  },
};

async function main() {
  const { auth, tls, scheme = "bolt", ...rest } = JSON.parse(given);
  const url = `${scheme}${tls ? "+ssc" : ""}://${host}:${port}`;
  const driver = neo4j.driver(url, auth && neo4j.auth.basic(...auth), { disableLosslessIntegers: true });
  try {
    console.log(JSON.stringify(await scenarios[scenario](driver, exact(rest))));
  } finally {
    await driver.close();
  }
}

main();
