use std::{future::Future, io, time::Duration};

use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};
use tracing::info;

/// Takes over SIGTERM and Ctrl-C at once; the future ends when either arrives.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => info!(signal = "SIGINT", "stopping"),
        }
    })
}

/// Serves until `stop` ends, then lets running requests finish for at most `drain_limit`.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    drain_limit: Duration,
) -> io::Result<()> {
    let (drain_began, drain_begins) = oneshot::channel();
    let drained = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        // The other end is gone only if the server has ended already.
        let _ = drain_began.send(());
    });
    let overdue = async {
        let _ = drain_begins.await;
        sleep(drain_limit).await;
    };
    tokio::select! {
        result = drained => result,
        () = overdue => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("requests still running {drain_limit:?} after the stop signal"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::Notify,
        task::JoinHandle,
        time::timeout,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A server whose only request stays in flight until the test lets it go.
    struct Held {
        address: SocketAddr,
        entered: Arc<Notify>,
        release: Arc<Notify>,
        stop: oneshot::Sender<()>,
        server: JoinHandle<io::Result<()>>,
    }

    async fn hold(drain_limit: Duration) -> Held {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_entry, on_release) = (entered.clone(), release.clone());
        let app = Router::new().route(
            "/",
            get(async move || {
                on_entry.notify_one();
                on_release.notified().await;
                "finished"
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap() };
        let server = tokio::spawn(serve(listener, app, stopped, drain_limit));
        Held {
            address,
            entered,
            release,
            stop,
            server,
        }
    }

    async fn start_request(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
            .await
            .unwrap();
        client
    }

    #[tokio::test]
    async fn a_running_request_is_finished_before_the_end() {
        let held = hold(PATIENCE).await;
        let mut client = start_request(held.address).await;
        timeout(PATIENCE, held.entered.notified()).await.unwrap();
        held.stop.send(()).unwrap();
        sleep(Duration::from_millis(50)).await;
        assert!(!held.server.is_finished());
        held.release.notify_one();

        let mut answer = String::new();
        timeout(PATIENCE, client.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("finished"), "{answer}");
        timeout(PATIENCE, held.server)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_off() {
        let held = hold(Duration::from_millis(50)).await;
        let _client = start_request(held.address).await;
        timeout(PATIENCE, held.entered.notified()).await.unwrap();
        held.stop.send(()).unwrap();

        let error = timeout(PATIENCE, held.server)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            error.to_string(),
            "requests still running 50ms after the stop signal"
        );
    }
}
