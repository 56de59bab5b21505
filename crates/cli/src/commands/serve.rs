//! `windlass serve`

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use serde::Serialize;
use windlass::error::{ContentError, OpenError};
use windlass::store::{RepositoryLookup, StoredContent};
use windlass::text::{escape, truncate};
use windlass_error_report::OperationError;
use windlass_listen::{Listener, ServerTls};
use windlass_progress::human;
use windlass_serve::{
    AllowedHosts, ListenAddress, OnResponse, RegistryServer, RequestLogEntry, ServeConfig,
    ServeLimits,
};

use super::CommandOutcome;
use crate::context::Context;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output;
use crate::output::message::{note, warn};
use crate::signals::{Signal, Signals};

/// Serve local images as a read-only registry
///
/// Images that are pulled, loaded or removed while it runs take effect at once. A repository is found under the name of its
/// registry (docker.io/library/alpine), or under the registry that a mirror's client names in the parameter `ns`;
/// names without a registry are Docker Hub's. Nothing can be pushed or changed. The first line of the output is the URL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass serve
  windlass pull 127.0.0.1:7700/docker.io/library/alpine      From another terminal, into another --root
  windlass serve --listen 127.0.0.1:0 --json                 On a free port, which is in the output
  windlass serve --listen 0.0.0.0:7700 --allow-remote        For every machine that can reach this one

As a mirror, in containerd's hosts.toml (of docker.io, or any other registry):
  [host.\"http://127.0.0.1:7700\"]
  capabilities = [\"pull\", \"resolve\"]")]
pub(crate) struct Args {
    /// ADDRESS:PORT (port 0 for a free one) or unix:PATH; can be given several times
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:7700")]
    listen: Vec<ListenAddress>,

    /// Allow addresses that other machines can reach; every client that connects may pull everything
    #[arg(long)]
    allow_remote: bool,

    /// Accept requests to this host name too, besides IP addresses and localhost
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// File with the TLS certificate and its chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// File with the key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Connections at a time; further ones are refused
    #[arg(long, value_name = "N", default_value = "256")]
    max_connections: NonZeroUsize,

    /// Log every request to standard error
    #[arg(short, long)]
    verbose: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where the store is served, as JSON.
#[derive(Serialize)]
struct ServeRecord {
    status: &'static str,
    urls: Vec<String>,
}

/// A request, as JSON.
#[derive(Serialize)]
struct RequestRecord<'a> {
    peer: &'a str,
    method: &'a str,
    target: &'a str,
    status: u16,
    bytes: u64,
    is_complete: bool,
    duration_ms: u128,
}

/// How many log lines may wait to be written before further ones are dropped.
const LOG_QUEUE: usize = 1024;

/// How much of a request target is printed, in characters.
const MAX_TARGET: usize = 300;

impl Args {
    /// Serves until a signal arrives. SIGTERM stops a service and is not a failure.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        self.check()?;
        let root = context.root()?;
        let tls = self.tls()?;
        let content = Arc::new(StoredContent::at(root.clone()).map_err(store_error)?);
        let listeners: Result<Vec<_>, _> = self.listen.iter().map(ListenAddress::bind).collect();
        let listeners = listeners.map_err(Error::Listen)?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let urls = self.listen.iter().zip(&listeners);
        let urls = urls.map(|(address, listener)| url(address, listener, tls.is_some()));
        self.announce(context, &content, &root, urls.collect())?;

        let (log, writer) = self.log();
        let config = ServeConfig {
            hosts: self.hosts(),
            limits: ServeLimits {
                connections: self.max_connections.get(),
                ..ServeLimits::default()
            },
            tls,
            on_response: log.map(|log| {
                // Requests do not wait for the terminal: if it is slow, lines are dropped.
                let send = move |entry| drop(log.try_send(entry));
                Arc::new(send) as OnResponse
            }),
        };
        let server = RegistryServer::new(content, config);
        let until = async {
            signals.first().await;
        };
        let report = current_thread_runtime()?.block_on(server.run(listeners, until));
        let report = report.map_err(Error::Runtime)?;
        drop(server);
        if let Some(Err(_)) = writer.map(JoinHandle::join) {
            warn("the log is not complete");
        }
        if report.cut > 0 {
            let count = human::count(report.cut as u64, "connection");
            note(&format!("Stopped; {count} cut short"));
        }
        match signals.received() {
            Some(Signal::Interrupt) => Ok(CommandOutcome::Interrupted(Signal::Interrupt)),
            Some(Signal::Terminate) | None => Ok(CommandOutcome::Success),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let mut remote = self.listen.iter().filter(|listen| listen.is_remote());
        match remote.next() {
            Some(listen) if !self.allow_remote => Err(Error::Usage {
                text: format!(
                    "other machines can reach {listen}, and every client that connects may pull every image; \
                     use --allow-remote to allow that"
                ),
            }),
            _ => Ok(()),
        }
    }

    fn hosts(&self) -> AllowedHosts {
        match (self.allow_remote, self.allow_host.as_slice()) {
            (true, []) => AllowedHosts::Any,
            (_, names) => AllowedHosts::Only(names.to_vec()),
        }
    }

    fn tls(&self) -> Result<Option<ServerTls>, Error> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })
        };
        let tls = ServerTls::new(&read(certificate)?, &read(key)?);
        tls.map(Some).map_err(|source| Error::Identity {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        })
    }

    /// Prints the URLs, and for a terminal how to use them.
    fn announce(
        &self,
        context: &mut Context<'_>,
        content: &StoredContent,
        root: &Path,
        urls: Vec<String>,
    ) -> Result<(), Error> {
        let example = example(content)?;
        let host = urls.iter().find_map(|url| url.split_once("://"));
        let host = host.map(|(_, host)| host.to_owned());
        if self.json {
            let status = "serving";
            output::json::line(context.out, &ServeRecord { status, urls })?;
            return Ok(context.out.flush()?);
        }
        for url in &urls {
            writeln!(context.out, "{}", escape(url))?;
        }
        context.out.flush()?;
        let root = root.to_string_lossy();
        note(&format!(
            "Serving the images in {}, read-only; ^C stops",
            escape(&root)
        ));
        if let Some(host) = host {
            note(&format!("  windlass pull {host}/{example}"));
        }
        Ok(())
    }

    /// Starts the thread that writes log lines, with --verbose.
    fn log(&self) -> (Option<SyncSender<RequestLogEntry>>, Option<JoinHandle<()>>) {
        if !self.verbose {
            return (None, None);
        }
        let (sender, entries) = sync_channel(LOG_QUEUE);
        let is_json = self.json;
        let writer = thread::spawn(move || {
            for entry in entries {
                note(&log_line(&entry, is_json));
            }
        });
        (Some(sender), Some(writer))
    }
}

fn store_error(error: ContentError) -> Error {
    match error {
        ContentError::Open(error) => OperationError::Open(OpenError::Store(error)).into(),
        other => Error::StoredContent(other),
    }
}

fn url(address: &ListenAddress, listener: &Listener, is_tls: bool) -> String {
    match listener.tcp_address() {
        Some(address) if is_tls => format!("https://{address}"),
        Some(address) => format!("http://{address}"),
        None => address.to_string(),
    }
}

/// Returns the name of an image to pull: one of the store, if a path can name it.
fn example(content: &StoredContent) -> Result<String, Error> {
    const FALLBACK: &str = "docker.io/library/alpine";
    let repositories = content.repositories(None, None, 10).map_err(store_error)?;
    let mut repositories = repositories.into_iter();
    // A path cannot name a registry with a port.
    let Some(repository) = repositories.find(|it| !it.registry().contains(':')) else {
        return Ok(FALLBACK.to_owned());
    };
    let tags = content.tags(&repository, None, 1).map_err(store_error)?;
    Ok(match tags {
        RepositoryLookup::Found(tags) if !tags.is_empty() => format!("{repository}:{}", tags[0]),
        RepositoryLookup::Found(_) | RepositoryLookup::Missing | RepositoryLookup::NoRepository => {
            repository.to_string()
        }
    })
}

fn log_line(entry: &RequestLogEntry, is_json: bool) -> String {
    let RequestLogEntry {
        peer,
        method,
        target,
        status,
        bytes,
        is_complete,
        duration,
    } = entry;
    if is_json {
        let mut line = Vec::new();
        let record = RequestRecord {
            peer,
            method,
            target,
            status: *status,
            bytes: *bytes,
            is_complete: *is_complete,
            duration_ms: duration.as_millis(),
        };
        // Writing to memory cannot fail.
        drop(output::json::line(&mut line, &record));
        return String::from_utf8_lossy(&line).trim_end().to_owned();
    }
    let target = escape(target);
    let target = truncate(&target, MAX_TARGET);
    let cut = if *is_complete { "" } else { " (cut)" };
    let seconds = duration.as_secs_f64();
    format!(
        "{peer} {} {target} {status} {bytes}{cut} {seconds:.3}s",
        escape(method)
    )
}
