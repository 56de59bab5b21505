//! `windlass daemon`

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use windlass_daemon::{About, Address, Bound, Daemon, Limits, Stop, bind};

use super::Ended;
use crate::context::{Context, note};
use crate::error::Error;

/// Serve the image part of Docker's API, for docker, Compose and the SDKs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where clients come in: unix:///PATH, tcp://IP:PORT or fd://; can be given several times
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    hosts: Vec<Address>,

    /// Group that may use the socket
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl Args {
    /// Serves until a signal comes.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let engine = context.own("windlass daemon", |_| {})?;
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            root: context.root()?.to_string_lossy().into_owned(),
            insecure_registries: Vec::new(),
            mirrors: Vec::new(),
            labels: Vec::new(),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;
        let daemon = Daemon::new(Arc::new(engine), about).map_err(Error::Runtime)?;
        let mut sockets: Vec<Bound> = Vec::new();
        for host in &self.hosts {
            if let Address::Unix(path) = host {
                sockets.push(bind(path, self.group.as_deref()).expect("TODO"));
            }
        }
        let stop = Stop::default();
        let root = context.root()?;
        runtime.block_on(async {
            let daemon = Arc::new(daemon);
            let hatch = crate::hatch::open(&root, Arc::clone(&daemon)).map_err(Error::Runtime)?;
            tokio::spawn(hatch);
            let mut terminations = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
            let mut interrupts = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
            let served = daemon.serve(sockets, Limits::default(), stop.clone());
            let mut served = std::pin::pin!(served);
            note("ready");
            tokio::select! {
                served = &mut served => return served.map_err(Error::Runtime),
                _ = terminations.recv() => {}
                _ = interrupts.recv() => {}
            }
            stop.now();
            served.await.map_err(Error::Runtime)
        })?;
        Ok(Ended::Well)
    }
}
