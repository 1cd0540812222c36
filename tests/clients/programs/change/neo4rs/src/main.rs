//! neo4rs: `Graph::run` (auto-commit, retried by the driver) when idle, explicit transactions else: see conducted.py.

use std::io::stdin;
use std::sync::atomic::{AtomicUsize, Ordering};

use neo4rs::{query, ConfigBuilder, Error, Graph};
use serde_json::{json, Value};

const WRITE: &str = "CREATE (:Change {id: $id})";
const READ: &str = "UNWIND range(1, $rows) AS x RETURN x";
const ROWS: i64 = 5000;

/// Counts the driver's own retries: it only tells its log of them.
struct Retries(AtomicUsize);

static RETRIES: Retries = Retries(AtomicUsize::new(0));

impl log::Log for Retries {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        if record.args().to_string().starts_with("Retrying query") {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

fn ready() {
    println!("{}", json!({"event": "ready"}));
    let _ = stdin().read_line(&mut String::new());
}

async fn run(state: &str, graph: &Graph, id: &str, rows: &mut i64) -> Result<(), Error> {
    match state {
        "idle" => {
            graph.run(query(WRITE).param("id", format!("{id} before"))).await?;
            ready();
            graph.run(query(WRITE).param("id", id)).await
        }
        "stream" => {
            let mut transaction = graph.start_txn().await?;
            let mut stream = transaction.execute(query(READ).param("rows", ROWS)).await?;
            while stream.next(transaction.handle()).await?.is_some() {
                *rows += 1;
                if *rows == ROWS / 2 {
                    ready();
                }
            }
            transaction.commit().await
        }
        _ => {
            let mut transaction = graph.start_txn().await?;
            transaction.run(query(WRITE).param("id", id)).await?;
            ready();
            if state == "transaction" {
                transaction.run(query("RETURN 1")).await?;
            }
            transaction.commit().await
        }
    }
}

fn described(error: &Error) -> Value {
    let (kind, code) = match error {
        Error::Neo4j(answered) => ("Neo4j".to_string(), answered.code().to_string()),
        other => {
            let shown = format!("{other:?}");
            (shown.split([' ', '(']).next().unwrap_or("").to_string(), String::new())
        }
    };
    json!({"error": kind, "code": code, "message": error.to_string()})
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    log::set_logger(&RETRIES).expect("the first logger");
    log::set_max_level(log::LevelFilter::Debug);
    let arguments: Vec<String> = std::env::args().collect();
    let config = ConfigBuilder::default()
        .uri(format!("bolt://{}:{}", arguments[2], arguments[3]))
        .user("")
        .password("")
        .db("memgraph")
        .build()?;
    let graph = Graph::connect(config).await?;
    let mut rows = 0;
    let outcome = run(&arguments[1], &graph, &arguments[4], &mut rows).await;
    let failure = outcome.err().map(|error| described(&error));
    let attempts = 1 + RETRIES.0.load(Ordering::SeqCst);
    println!(
        "{}",
        json!({"event": "done", "failure": failure, "attempts": attempts, "rows": rows, "errors": []})
    );
    Ok(())
}
