//! Commands do, print and exit with the same whether a daemon has the store or not.

use std::fs;
use std::process::Stdio;

use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::TestDaemon;
use crate::harness::{PLATFORM, Windlass};

/// The commands, in order; `<FILE` redirects standard input.
const COMMANDS: &[&str] = &[
    "pull --platform linux/amd64 REG/app:1",
    "pull -q --platform linux/amd64 REG/app:1 REG/app:2",
    "pull --json --platform linux/amd64 REG/app:1",
    "pull REG/app:none",
    "pull --all-tags REG/app:1",
    "tag REG/app:1 mine:1",
    "tag none:1 mine:2",
    "tag mine:1 BAD",
    "images --format {{.Repository}}:{{.Tag}}",
    "inspect -f {{.RepoTags}} mine:1",
    "history -q mine:1",
    "save -o app.tar mine:1 REG/app:2",
    "save --format oci -o layout mine:1",
    "unpack mine:1 rootfs",
    "export -o root.tar mine:1",
    "push REG/other:1",
    "copy windlass:mine:1 docker://REG/copied:1",
    "rmi mine:1 none:1",
    "rmi --force none:1",
    "rmi --json REG/app:2",
    "load -i app.tar",
    "load <app.tar",
    "load -i layout --name from:layout",
    "load -i missing.tar",
    "load <garbage",
    "import -c CMD=x root.tar",
    "import -c [\"CMD root.tar",
    "import root.tar imported:1",
    "import - imported:2 <root.tar",
    "import garbage imported:3",
    "import http://REG/none.tar imported:4",
    "import http://REG/v2/app/manifests/1 imported:5",
    "copy docker://REG/app:2 windlass:copied:1",
    "copy docker://REG/app:none windlass:copied:2",
    "copy oci:layout windlass:copied:3",
    "copy docker-archive:app.tar windlass:copied:4",
    "copy windlass:copied:1 windlass:copied:5",
    "images -q --no-trunc",
    "df --json",
    "prune",
    "prune --force --filter label=x",
    "prune --force --all --json",
    "images",
];

fn registry() -> Registry {
    let registry = Registry::builder().writable().start();
    for tag in ["1", "2"] {
        let layer = LayerBuilder::new().file("name", tag.as_bytes());
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::new().file("hello", b"world"));
        registry.push(image.layer(layer), &format!("app:{tag}"));
    }
    registry
}

/// Runs all commands, and returns the exit code and output of each.
fn run(windlass: &Windlass, registry: &Registry) -> Vec<String> {
    fs::write(windlass.path("garbage"), "garbage").unwrap();
    let run = |shown: &&str| {
        let line = shown.replace("REG", &registry.host());
        let (line, input) = line.split_once('<').unwrap_or((&line, ""));
        let mut command = windlass.command(line.split_whitespace());
        command.env("SOURCE_DATE_EPOCH", "1000000000");
        command.stdin(match input {
            "" => Stdio::null(),
            file => fs::File::open(windlass.path(file)).unwrap().into(),
        });
        format!("$ {shown}\n{}", windlass.show(&command.output().unwrap()))
    };
    COMMANDS.iter().map(run).collect()
}

#[test]
fn commands_do_the_same_with_a_daemon_and_without() {
    let (first, second) = (registry(), registry());
    let alone = Windlass::with(&first);
    let alone_did = run(&alone, &first);
    let beside = Windlass::with(&second);
    let daemon = TestDaemon::start(&beside, &[]);
    let beside_did = run(&beside, &second);
    for (alone, beside) in alone_did.iter().zip(&beside_did) {
        assert_eq!(alone, beside);
    }
    let exits = alone_did
        .iter()
        .filter(|did| did.lines().any(|line| line == "exit: 0"))
        .count();
    assert!(exits > 25, "{exits} commands went well: {alone_did:#?}");
    assert!(daemon.stop().success());
}
