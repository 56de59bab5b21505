//! `windlass pull`

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::runtime;
use tokio::time::{self, Instant};
use windlass::{
    Credentials, DockerConfig, Engine, Events, Platform, PullRequest, Pulled, Reference,
};

use super::Ended;
use crate::config;
use crate::context::{Context, note};
use crate::environment;
use crate::error::{Error, Login};
use crate::output;
use crate::progress::{Asked, Board, Mode, Record};
use crate::signals::{Signal, Signals};

/// Images that are pulled at the same time; their layers share the download slots.
const PULLS_AT_ONCE: usize = 8;

/// Download images, verify and unpack them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Progress goes to standard error. Standard output gets one line an image, its reference with the digest.

Examples:
  windlass pull alpine                              The tag `latest` of a Docker Hub image
  windlass pull postgres:18 redis:8                 Two images at once
  windlass pull --platform linux/arm64 alpine:3     For another machine
  windlass pull ghcr.io/owner/app@sha256:…          Exactly this, whatever a tag says today
  windlass pull --all-tags localhost:5000/app       Every tag of a repository
  windlass pull --json alpine | jq .                For programs")]
pub(crate) struct Args {
    /// Images to pull: NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,

    /// Pull every tag of the repositories
    #[arg(short, long)]
    all_tags: bool,

    /// Print nothing but the reference
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,

    /// Pull for this platform instead of the machine's own
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Print one JSON object a line; the same as --progress=json
    #[arg(long, conflicts_with = "progress")]
    json: bool,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        hide_default_value = true
    )]
    progress: Asked,

    /// Layers to download at once; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_concurrent_downloads: usize,
}

/// All pulls of the command, on one thread.
struct Haul<'a> {
    engine: &'a Engine,
    docker: &'a DockerConfig,
    platform: Option<Platform>,
    board: RefCell<Board<'a>>,
    start: Instant,
}

/// How the pulls ended.
enum Outcome {
    /// All are over. One that failed was reported and is `None`.
    Over(Vec<Option<Pulled>>),
    Stopped(Signal),
}

impl Args {
    /// Pulls. An image that fails is reported and does not keep the others from being pulled.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let ended = self.pull(context);
        match &ended {
            Err(error) if self.mode(context) == Mode::Json && !error.is_broken_pipe() => {
                let report = error.report();
                output::json::line(context.out, &Record::error(None, &report))?;
                Ok(Ended::Failed)
            }
            Ok(_) | Err(_) => ended,
        }
    }

    fn pull(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let mode = self.mode(context);
        let references = self.references(mode)?;
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let docker = config::docker_config(&context.environment)?;
        let engine = context.own(&self.purpose(), |engine| {
            engine.downloads = self.max_concurrent_downloads;
        })?;
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::Runtime)?;

        let mut stderr = io::stderr();
        let out = if mode == Mode::Json {
            &mut *context.out
        } else {
            &mut stderr
        };
        let mut haul = Haul {
            engine: &engine,
            docker: &docker,
            platform,
            board: RefCell::new(Board::new(mode, out)),
            start: Instant::now(),
        };
        let outcome = runtime.block_on(haul.pull_all(references, self.all_tags, &signals));
        // What was left in the middle comes to rest first: what is said then stays true.
        runtime.block_on(engine.idle());
        drop(runtime);
        let outcome = outcome?;
        match outcome {
            Outcome::Stopped(signal) => {
                haul.stopped()?;
                Ok(Ended::Stopped(signal))
            }
            Outcome::Over(pulls) => {
                if mode != Mode::Json {
                    self.print(context, &pulls)?;
                }
                let is_well = pulls.iter().all(Option::is_some);
                Ok(if is_well { Ended::Well } else { Ended::Failed })
            }
        }
    }

    fn mode(&self, context: &Context<'_>) -> Mode {
        let asked = match (self.json, self.quiet) {
            (true, _) => Asked::Json,
            (_, true) => Asked::None,
            _ => self.progress,
        };
        Mode::choose(asked, context.environment.surroundings())
    }

    /// What was asked for, each once; a tag is added where one is missing, and said (REF-7).
    fn references(&self, mode: Mode) -> Result<Vec<Reference>, Error> {
        let mut seen = HashSet::new();
        let mut references = Vec::new();
        for text in &self.references {
            let reference = parse_reference(text)?;
            let is_bare = reference.is_name_only();
            if self.all_tags && !is_bare {
                return Err(Error::TagWithAllTags { text: text.clone() });
            }
            let wanted = if self.all_tags {
                reference
            } else {
                reference.or_latest()
            };
            if seen.insert(wanted.to_string()) {
                if !self.all_tags && is_bare && !matches!(mode, Mode::Json | Mode::Silent) {
                    note("Using default tag: latest");
                }
                references.push(wanted);
            }
        }
        Ok(references)
    }

    fn purpose(&self) -> String {
        format!("windlass pull {}", self.references.join(" "))
    }

    /// Prints the result: what Docker's `-q` prints, or the same with the digest.
    fn print(&self, context: &mut Context<'_>, pulls: &[Option<Pulled>]) -> io::Result<()> {
        for pulled in pulls.iter().flatten() {
            if self.quiet {
                writeln!(context.out, "{}", pulled.reference)?;
            } else {
                writeln!(
                    context.out,
                    "{}",
                    pulled.reference.with_digest(pulled.digest)
                )?;
            }
        }
        context.out.flush()
    }
}

impl Haul<'_> {
    async fn pull_all(
        &self,
        references: Vec<Reference>,
        all_tags: bool,
        signals: &Signals,
    ) -> Result<Outcome, Error> {
        let pulls = async {
            let wanted = if all_tags {
                self.all_tags(&references).await?
            } else {
                references
            };
            self.pull_each(wanted).await
        };
        tokio::select! {
            biased;
            signal = signals.first() => Ok(Outcome::Stopped(signal)),
            pulls = pulls => pulls.map(Outcome::Over),
            never = self.tick() => match never {},
        }
    }

    async fn pull_each(&self, references: Vec<Reference>) -> Result<Vec<Option<Pulled>>, Error> {
        let requests: Vec<PullRequest> = references
            .into_iter()
            .map(|reference| self.request(reference))
            .collect();
        for request in &requests {
            self.board.borrow_mut().add(&request.reference);
        }
        let pulls = stream::iter(requests.iter().enumerate())
            .map(|(place, request)| self.pull_one(place, request))
            .buffered(PULLS_AT_ONCE);
        Ok(pulls.try_collect().await?)
    }

    /// Pulls one image and shows how. Returns `None` if it failed, which was said.
    async fn pull_one(&self, place: usize, request: &PullRequest) -> io::Result<Option<Pulled>> {
        let (events, mut incoming) = Events::channel();
        self.board.borrow_mut().start(place, self.now());
        let mut pull = pin!(self.engine.pull(request, &events));
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = incoming.recv() => {
                    self.board.borrow_mut().event(place, &event, self.now())?;
                }
                outcome = &mut pull => break outcome,
            }
        };
        let mut board = self.board.borrow_mut();
        while let Ok(event) = incoming.try_recv() {
            board.event(place, &event, self.now())?;
        }
        match outcome {
            Ok(pulled) => {
                board.pulled(place, &pulled, self.now())?;
                Ok(Some(pulled))
            }
            Err(source) => {
                let error = Error::Pull {
                    reference: request.reference.clone(),
                    login: self.login(&request.reference, &request.credentials),
                    source: Box::new(source),
                };
                board.failed(place, &error.report(), environment::colors(), self.now())?;
                Ok(None)
            }
        }
    }

    /// The references of every tag of `repositories`.
    async fn all_tags(&self, repositories: &[Reference]) -> Result<Vec<Reference>, Error> {
        let mut references = Vec::new();
        for repository in repositories {
            let name = repository.repository();
            let credentials = self.credentials(repository);
            let tags = self.engine.tags(name, &credentials).await;
            let tags = tags.map_err(|source| Error::Tags {
                repository: repository.clone(),
                login: self.login(repository, &credentials),
                source: Box::new(source),
            })?;
            references.extend(tags.into_iter().map(|tag| repository.with_tag(tag)));
        }
        Ok(references)
    }

    fn request(&self, reference: Reference) -> PullRequest {
        PullRequest {
            platform: self.platform.clone(),
            credentials: self.credentials(&reference),
            reference,
        }
    }

    fn credentials(&self, reference: &Reference) -> Credentials {
        self.docker
            .credentials_for(reference.repository().registry())
    }

    fn login(&self, reference: &Reference, credentials: &Credentials) -> Login {
        let helper = self.docker.helper_for(reference.repository().registry());
        match (credentials, helper) {
            (Credentials::Anonymous, Some(helper)) => Login::WithHelper(helper.to_owned()),
            (Credentials::Anonymous, None) => Login::Nobody,
            _ => Login::Known,
        }
    }

    async fn tick(&self) -> std::convert::Infallible {
        let mut ticks = time::interval(self.board.borrow().tick_time());
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.board.borrow_mut().tick(self.now());
        }
    }

    fn stopped(&mut self) -> io::Result<()> {
        let now = self.now();
        self.board.get_mut().stopped(now)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

fn parse_reference(text: &str) -> Result<Reference, Error> {
    text.parse().map_err(Error::Reference)
}

fn parse_platform(text: &str) -> Result<Platform, Error> {
    text.parse().map_err(Error::Platform)
}
