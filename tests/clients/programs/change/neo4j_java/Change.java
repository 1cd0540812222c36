// The neo4j Java driver, with managed transactions: see conducted.py.

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.function.Consumer;
import org.neo4j.driver.Config;
import org.neo4j.driver.Driver;
import org.neo4j.driver.GraphDatabase;
import org.neo4j.driver.Logging;
import org.neo4j.driver.Session;
import org.neo4j.driver.TransactionCallback;
import org.neo4j.driver.TransactionContext;
import org.neo4j.driver.exceptions.Neo4jException;

public final class Change {
  private static final String WRITE = "CREATE (:Change {id: $id})";
  private static final String READ = "UNWIND range(1, $rows) AS x RETURN x";
  private static final int ROWS = 5000;

  private final String id;
  private final Scanner input = new Scanner(System.in);
  private final List<String> errors = new ArrayList<>();
  private int attempts = 0;
  private int rows = 0;
  private boolean isReady = false;

  private Change(String id) {
    this.id = id;
  }

  public static void main(String[] arguments) {
    Change app = new Change(arguments[3]);
    String failure = "null";
    Config config = Config.builder().withLogging(Logging.none()).build();
    try (Driver driver = GraphDatabase.driver("bolt://" + arguments[1] + ":" + arguments[2], config);
        Session session = driver.session()) {
      try {
        app.run(arguments[0], session);
      } catch (RuntimeException error) {
        failure = described(error);
      }
      System.out.printf(
          "{\"event\": \"done\", \"failure\": %s, \"attempts\": %d, \"rows\": %d, \"errors\": [%s]}%n",
          failure, app.attempts, app.rows, String.join(", ", app.errors));
    }
  }

  private void run(String state, Session session) {
    switch (state) {
      case "idle" -> {
        session.executeWrite(tx -> tx.run(WRITE, Map.of("id", id + " before")).consume());
        ready();
        session.executeWrite(attempt(this::write));
      }
      case "stream" -> session.executeRead(attempt(this::read));
      case "transaction" -> session.executeWrite(attempt(tx -> {
        write(tx);
        ready();
        tx.run("RETURN 1").consume();
      }));
      case "commit" -> session.executeWrite(attempt(tx -> {
        write(tx);
        ready();
      }));
      default -> throw new IllegalArgumentException(state);
    }
  }

  private void write(TransactionContext tx) {
    tx.run(WRITE, Map.of("id", id)).consume();
  }

  private void read(TransactionContext tx) {
    var result = tx.run(READ, Map.of("rows", ROWS));
    while (result.hasNext()) {
      result.next();
      rows += 1;
      if (rows == ROWS / 2) ready();
    }
  }

  private void ready() {
    if (isReady) return;
    isReady = true;
    System.out.println("{\"event\": \"ready\"}");
    input.nextLine();
  }

  private TransactionCallback<Boolean> attempt(Consumer<TransactionContext> work) {
    return tx -> {
      attempts += 1;
      rows = 0;
      try {
        work.accept(tx);
        return true;
      } catch (RuntimeException error) {
        errors.add(described(error));
        throw error;
      }
    };
  }

  private static String described(RuntimeException error) {
    String code = error instanceof Neo4jException known && known.code().startsWith("Neo.") ? known.code() : "";
    return "{\"error\": %s, \"code\": %s, \"message\": %s}"
        .formatted(quoted(error.getClass().getSimpleName()), quoted(code), quoted(error.getMessage()));
  }

  private static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char one : String.valueOf(text).toCharArray()) {
      if (one == '"' || one == '\\' || one < ' ') quoted.append("\\u%04x".formatted((int) one));
      else quoted.append(one);
    }
    return quoted.append('"').toString();
  }
}
