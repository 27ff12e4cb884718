//! Drives the real binary from outside: environment, socket, signals, exit code, log.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

struct App {
    process: Child,
    address: SocketAddr,
    log: Receiver<Value>,
}

impl App {
    fn start() -> Self {
        let address = free_address();
        let mut process = command(&address.port().to_string()).spawn().unwrap();
        let log = log_of(&mut process);
        let app = Self {
            process,
            address,
            log,
        };
        assert_eq!(app.next_event("started")["address"], address.to_string());
        app
    }

    /// The next log line, which must be the one expected.
    fn next_event(&self, message: &str) -> Value {
        let event = self.log.recv_timeout(PATIENCE).unwrap();
        assert_eq!(event["message"], message, "{event}");
        event
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn get(&self, path: &str) -> String {
        let mut client = self.connect();
        write!(
            client,
            "GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        read_all(&mut client)
    }

    fn send_signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.process.id())])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("still running {PATIENCE:?} after it should have ended");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // A failed test must not leave a server behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn command(port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    command
        .env("HOST", "127.0.0.1")
        .env("PORT", port)
        // One worker takes connections up in the order in which they came.
        .env("TOKIO_WORKER_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

fn log_of(process: &mut Child) -> Receiver<Value> {
    let (sender, log) = channel();
    let output = BufReader::new(process.stdout.take().unwrap());
    thread::spawn(move || {
        for line in output.lines() {
            let line = line.unwrap();
            let event = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    log
}

fn read_all(client: &mut TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// Exit code and log of a process that must end by itself.
fn run_to_end(port: &str) -> (Option<i32>, Vec<Value>) {
    let output = command(port).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (output.status.code(), events.collect())
}

#[test]
fn serves_and_logs_each_request() {
    let mut app = App::start();
    let health = app.get("/healthz?token=secret");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert!(health.ends_with("\r\n\r\nok"), "{health}");
    assert!(app.get("/nothing").starts_with("HTTP/1.1 404"));

    for (path, status) in [("/healthz", 200), ("/nothing", 404)] {
        let event = app.next_event("request");
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["method"], "GET");
        assert_eq!(event["path"], path);
        assert_eq!(event["status"], status);
        assert!(event["latency_ms"].as_f64().unwrap() >= 0.0);
        assert!(event["timestamp"].is_string());
    }
    assert!(app.is_running());
}

#[test]
fn sigterm_lets_the_request_in_flight_finish() {
    let mut app = App::start();
    let mut client = app.connect();
    write!(client, "GET / HTTP/1.1\r\nHost: app\r\n").unwrap();
    // Answered later than the half-sent request was taken up, so that one is in flight now.
    app.get("/healthz");
    app.next_event("request");

    app.send_signal("TERM");
    assert_eq!(app.next_event("stopping")["signal"], "SIGTERM");
    assert!(app.is_running());
    client.write_all(b"\r\n").unwrap();
    let page = read_all(&mut client);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("Hello World from Rust app"), "{page}");

    assert_eq!(app.wait().code(), Some(0));
    assert_eq!(app.next_event("request")["path"], "/");
    app.next_event("stopped");
    assert!(
        app.log.recv_timeout(PATIENCE).is_err(),
        "a line after the last"
    );
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    let mut app = App::start();
    let mut client = app.connect();
    write!(client, "HEAD /healthz HTTP/1.1\r\nHost: app\r\n\r\n").unwrap();
    app.next_event("request");
    let began = Instant::now();
    app.send_signal("INT");
    assert_eq!(app.next_event("stopping")["signal"], "SIGINT");
    assert_eq!(app.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    app.next_event("stopped");
}

#[test]
fn a_malformed_port_is_one_clear_error() {
    let (code, events) = run_to_end("eighty");
    assert_eq!(code, Some(2));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["level"], "ERROR");
    assert_eq!(
        events[0]["message"],
        "PORT must be a whole number from 1 to 65535, not \"eighty\""
    );
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, events) = run_to_end(&address.port().to_string());
    assert_eq!(code, Some(1));
    assert_eq!(events.len(), 1);
    let message = events[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("cannot listen on {address}: ")),
        "{message}"
    );
}
