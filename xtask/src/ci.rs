//! `cargo xtask ci`: the checks that CI runs, one after the other.
//!
//! This is their only definition: `.ci/run` installs the programs that the tests need, and calls this command.

use std::io::{BufRead as _, BufReader, Write as _, pipe, stdout};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;

use crate::cargo;

/// A test that lacks a program on this machine prints this and passes; CI counts it as a failure.
const NOT_RUN: &str = "not run: ";

/// The time to fetch the advisory database, in seconds, after which it counts as out of reach.
const FETCH_LIMIT: &str = "60";

/// Run the checks that CI runs, in the same order; stops at the first that fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Ci {
    /// The steps to run [default: all]
    #[arg(value_name = "STEP", value_enum)]
    steps: Vec<Step>,

    /// List the steps and run none
    #[arg(long)]
    list: bool,
}

/// A check, in the order in which CI runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// cargo fmt --all --check
    Fmt,
    /// cargo deny check: licenses, sources, duplicates, and advisories where their database can be fetched
    Deny,
    /// cargo clippy with all features and every warning as an error
    Clippy,
    /// cargo doc with all features and every warning as an error
    Doc,
    /// cargo demo
    Demo,
    /// cargo test --workspace --all-features, to the end; fails if a test was not run
    Test,
}

impl Ci {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let steps = match self.steps.as_slice() {
            [] => Step::value_variants(),
            steps => steps,
        };
        let start = Instant::now();
        for step in steps {
            if self.list {
                print_line(&step.line());
                continue;
            }
            let seconds = start.elapsed().as_secs();
            let time = format!("{}:{:02}", seconds / 60, seconds % 60);
            print_line(&format!("\n==> {} (at {time})", step.name()));
            step.run()
                .with_context(|| format!("the step `{}` failed", step.name()))?;
        }
        Ok(())
    }
}

impl Step {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the name of the step with its description.
    fn line(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        format!("{:<8}{help}", self.name())
    }

    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Fmt => run(cargo().args(["fmt", "--all", "--check"])),
            Self::Deny => check_dependencies(),
            Self::Clippy => {
                let arguments = ["clippy", "--workspace", "--all-targets", "--all-features"];
                run(cargo()
                    .args(arguments)
                    .args(["--locked", "--", "-D", "warnings"]))
            }
            Self::Doc => {
                let arguments = [
                    "doc",
                    "--workspace",
                    "--all-features",
                    "--no-deps",
                    "--locked",
                ];
                run(cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
            }
            Self::Demo => run(cargo().arg("demo").stdin(std::process::Stdio::null())),
            Self::Test => run_tests(),
        }
    }
}

/// Checks the dependencies. Advisories are skipped, with a notice, where their database is out of reach.
fn check_dependencies() -> anyhow::Result<()> {
    run(cargo().args(["fetch", "--locked"]))?;
    let installed = cargo().args(["deny", "--version"]).output()?;
    ensure!(
        installed.status.success(),
        "cargo-deny is missing; `.ci/run` installs it, and so does `cargo install --locked cargo-deny`"
    );
    run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    let mut fetch = Command::new("timeout");
    fetch.arg(FETCH_LIMIT).arg(cargo().get_program());
    if fetch
        .args(["deny", "fetch", "db"])
        .output()?
        .status
        .success()
    {
        return run(cargo().args(["deny", "check", "advisories"]));
    }
    for line in [
        "###",
        "### NOT CHECKED: advisories. The RustSec database cannot be reached from here.",
        "### Run `cargo deny check advisories` where it can.",
        "###",
    ] {
        print_line(line);
    }
    Ok(())
}

/// Runs all tests even if some fail, passes their output on, and fails if a test was not run.
fn run_tests() -> anyhow::Result<()> {
    let (output, writer) = pipe()?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    tests.stdout(writer.try_clone()?).stderr(writer);
    let mut child = tests.spawn().context("starting cargo test")?;
    // The command holds the write ends of the pipe, which would keep the loop below from ending.
    drop(tests);
    let mut skipped = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let mut stdout = stdout().lock();
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        let text = String::from_utf8_lossy(&line);
        if text.contains(NOT_RUN) {
            skipped.push(text.into_owned());
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "cargo test: {status}");
    if !skipped.is_empty() {
        bail!(
            "these tests were not run; `.ci/run` installs what they need:\n{}",
            skipped.join("\n")
        );
    }
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the progress of the checks")]
fn print_line(line: &str) {
    println!("{line}");
}
