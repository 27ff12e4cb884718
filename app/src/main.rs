mod login;
mod page;
mod server;
mod settings;
mod token;
mod visitor;
mod web;

use std::{fmt, io, process::ExitCode, time::Duration};

use tokio::net::TcpListener;
use tracing::{error, info};

/// Shorter than the 30 seconds that container platforms commonly grant before they kill.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    log_json_lines();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure}");
            failure.exit_code()
        }
    }
}

fn log_json_lines() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .init();
}

async fn run() -> Result<(), Failure> {
    let address = settings::listen_address(std::env::var_os("HOST"), std::env::var_os("PORT"))
        .map_err(Failure::Settings)?;
    let login = settings::login(|name| std::env::var_os(name)).map_err(Failure::Settings)?;
    let logout = settings::logout(|name| std::env::var_os(name)).map_err(Failure::Settings)?;
    let stop = server::stop_signal().map_err(Failure::Server)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Listen(address, error))?;
    info!(%address, version = env!("CARGO_PKG_VERSION"), login = login.name(), "started");
    server::serve(listener, web::app(login, logout), stop, DRAIN_LIMIT)
        .await
        .map_err(Failure::Server)?;
    info!("stopped");
    Ok(())
}

enum Failure {
    Settings(String),
    Listen(std::net::SocketAddr, io::Error),
    Server(io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) => ExitCode::from(2),
            Self::Listen(..) | Self::Server(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(problem) => f.write_str(problem),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Server(error) => write!(f, "cannot go on serving: {error}"),
        }
    }
}
