//! `windlass serve`

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use serde::Serialize;
use windlass::{Holdings, HoldingsError, OpenError, RepositoryLookup};
use windlass_serve::{Answered, Hosts, Limits, Listen, Listener, ServeConfig, Server, Tls};

use super::Ended;
use super::asking::runtime;
use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::output;
use crate::output::human;
use crate::output::text::shortened;
use crate::signals::{Signal, Signals};
use windlass::text::escape;

/// Serve what is here to other programs and machines, as a read-only registry
///
/// What is pulled, loaded or removed meanwhile shows at once. Images are found below the name of their registry
/// (docker.io/library/alpine), or by the registry that a mirror's client names beside the path; names without a
/// registry are Docker Hub's. Nothing can be pushed or changed. The first line of the output is the URL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass serve
  windlass pull 127.0.0.1:7700/docker.io/library/alpine      From another terminal, into another --root
  windlass serve --listen 127.0.0.1:0 --json                 On a port that is free; which one is in the output
  windlass serve --listen 0.0.0.0:7700 --allow-remote        For every machine that can reach this one

As a mirror, in containerd's hosts.toml (of docker.io, or any other registry):
  [host.\"http://127.0.0.1:7700\"]
  capabilities = [\"pull\", \"resolve\"]")]
pub(crate) struct Args {
    /// ADDRESS:PORT (port 0 for any that is free) or unix:PATH; can be given several times
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:7700")]
    listen: Vec<Listen>,

    /// Listen on addresses that other machines can reach; whoever reaches them may pull everything
    #[arg(long)]
    allow_remote: bool,

    /// Answer to this name, too, and with --allow-remote to no other, beside addresses and localhost
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// File with the certificate to speak TLS with, and those that lead to it, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// File with its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Connections at a time; who comes then is told to come later
    #[arg(long, value_name = "N", default_value = "256")]
    max_connections: NonZeroUsize,

    /// Tell of every request, on standard error
    #[arg(short, long)]
    verbose: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where it is served, for programs.
#[derive(Serialize)]
struct Record {
    status: &'static str,
    urls: Vec<String>,
}

/// A request, for programs.
#[derive(Serialize)]
struct Line<'a> {
    peer: &'a str,
    method: &'a str,
    target: &'a str,
    status: u16,
    bytes: u64,
    is_complete: bool,
    duration_ms: u128,
}

/// How many lines may wait for the terminal before some are left out.
const LINES: usize = 1024;

/// How much of a request is shown, in characters.
const SHOWN: usize = 300;

impl Args {
    /// Serves until a signal comes. SIGTERM is how a service is ended, and so no failure.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        self.check()?;
        let root = context.root()?;
        let tls = self.tls()?;
        let holdings = Arc::new(Holdings::at(root.clone()).map_err(failed)?);
        let listeners: Result<Vec<_>, _> = self.listen.iter().map(Listener::bind).collect();
        let listeners = listeners.map_err(Error::Listen)?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let urls = listeners.iter().map(|it| url(it.address(), tls.is_some()));
        self.tell(context, &holdings, &root, urls.collect())?;

        let (log, writer) = self.log();
        let config = ServeConfig {
            hosts: self.hosts(),
            limits: Limits {
                connections: self.max_connections.get(),
                ..Limits::default()
            },
            tls,
            on_answer: log.map(|log| {
                // Where nobody reads fast enough, lines are left out, and requests do not wait.
                let tell = move |answered| drop(log.try_send(answered));
                Arc::new(tell) as windlass_serve::OnAnswer
            }),
        };
        let server = Server::new(holdings, config);
        let until = async {
            signals.first().await;
        };
        let drained = runtime()?.block_on(server.run(listeners, until));
        let drained = drained.map_err(Error::Runtime)?;
        drop(server);
        if let Some(Err(_)) = writer.map(JoinHandle::join) {
            warn("the log is not complete");
        }
        if drained.cut > 0 {
            let count = human::count(drained.cut as u64, "connection");
            note(&format!("Stopped; {count} cut short"));
        }
        match signals.came() {
            Some(Signal::Interrupt) => Ok(Ended::Stopped(Signal::Interrupt)),
            Some(Signal::Terminate) | None => Ok(Ended::Well),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let mut remote = self.listen.iter().filter(|listen| listen.is_remote());
        match remote.next() {
            Some(listen) if !self.allow_remote => Err(Error::Usage {
                text: format!(
                    "other machines can reach {listen}, and who reaches it may pull everything that is here; \
                     say --allow-remote if that is meant"
                ),
            }),
            _ => Ok(()),
        }
    }

    fn hosts(&self) -> Hosts {
        match (self.allow_remote, self.allow_host.as_slice()) {
            (true, []) => Hosts::Any,
            (_, names) => Hosts::Only(names.to_vec()),
        }
    }

    fn tls(&self) -> Result<Option<Tls>, Error> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })
        };
        let tls = Tls::new(&read(certificate)?, &read(key)?);
        tls.map(Some).map_err(|source| Error::Identity {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        })
    }

    /// Says where it is served, first of all, and to people what that is good for.
    fn tell(
        &self,
        context: &mut Context<'_>,
        holdings: &Holdings,
        root: &Path,
        urls: Vec<String>,
    ) -> Result<(), Error> {
        let example = example(holdings)?;
        let host = urls.iter().find_map(|url| url.split_once("://"));
        let host = host.map(|(_, host)| host.to_owned());
        if self.json {
            let status = "serving";
            output::json::line(context.out, &Record { status, urls })?;
            return Ok(context.out.flush()?);
        }
        for url in &urls {
            writeln!(context.out, "{}", escape(url))?;
        }
        context.out.flush()?;
        let root = root.to_string_lossy();
        note(&format!(
            "Serving what {} holds, read-only; ^C stops",
            escape(&root)
        ));
        if let Some(host) = host {
            note(&format!("  windlass pull {host}/{example}"));
        }
        Ok(())
    }

    /// Starts to write lines for the requests, if they are wanted.
    fn log(&self) -> (Option<SyncSender<Answered>>, Option<JoinHandle<()>>) {
        if !self.verbose {
            return (None, None);
        }
        let (sender, answers) = sync_channel(LINES);
        let is_json = self.json;
        let writer = thread::spawn(move || {
            for answered in answers {
                note(&line(&answered, is_json));
            }
        });
        (Some(sender), Some(writer))
    }
}

fn failed(error: HoldingsError) -> Error {
    match error {
        HoldingsError::Open(error) => Error::Open(OpenError::Store(error)),
        other => Error::Holdings(other),
    }
}

fn url(address: &Listen, is_tls: bool) -> String {
    match address {
        Listen::Tcp(address) if is_tls => format!("https://{address}"),
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(_) => address.to_string(),
    }
}

/// Returns the name of something that can be pulled: one that is here, if a path can name it.
fn example(holdings: &Holdings) -> Result<String, Error> {
    const USUAL: &str = "docker.io/library/alpine";
    let repositories = holdings.repositories(None, None, 10).map_err(failed)?;
    let mut repositories = repositories.into_iter();
    // A port cannot stand within a name.
    let Some(repository) = repositories.find(|it| !it.registry().contains(':')) else {
        return Ok(USUAL.to_owned());
    };
    let tags = holdings.tags(&repository, None, 1).map_err(failed)?;
    Ok(match tags {
        RepositoryLookup::Found(tags) if !tags.is_empty() => format!("{repository}:{}", tags[0]),
        _ => repository.to_string(),
    })
}

fn line(answered: &Answered, is_json: bool) -> String {
    let Answered {
        peer,
        method,
        target,
        status,
        bytes,
        is_complete,
        duration,
    } = answered;
    if is_json {
        let mut line = Vec::new();
        let record = Line {
            peer,
            method,
            target,
            status: *status,
            bytes: *bytes,
            is_complete: *is_complete,
            duration_ms: duration.as_millis(),
        };
        // Memory takes all that is written.
        drop(output::json::line(&mut line, &record));
        return String::from_utf8_lossy(&line).trim_end().to_owned();
    }
    let target = escape(target);
    let target = shortened(&target, SHOWN);
    let cut = if *is_complete { "" } else { " (cut)" };
    let seconds = duration.as_secs_f64();
    format!(
        "{peer} {} {target} {status} {bytes}{cut} {seconds:.3}s",
        escape(method)
    )
}
