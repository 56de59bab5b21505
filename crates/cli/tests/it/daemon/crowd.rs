//! Many at once (T46, T47).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{Running, TOO_LONG, begin_pull, read, read_until};
use crate::harness::{PLATFORM, Windlass};

const PULLS: u64 = 20;
const IDLE: usize = 2000;
/// Questions whose answers are timed.
const QUESTIONS: usize = 500;
/// Far more than it takes, on whatever machine: an answer does not wait for a pull.
const SLOW: Duration = Duration::from_secs(5);
/// What the daemon may take, in KiB; of builds without optimisation, too.
const CEILING: u64 = 150 << 10;
/// What as many idle clients may take beside, in KiB.
const IDLE_CEILING: u64 = 100 << 10;

/// Pushes so many images that have a layer in common, and one of their own each.
fn images(registry: &Registry, size: usize) -> windlass::Digest {
    let base = LayerBuilder::of_size_seeded(1 << 20, 1000);
    let images = (0..PULLS).map(|seed| {
        let own = LayerBuilder::of_size_seeded(size, seed);
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(base.clone())
            .layer(own);
        registry.push(image, &format!("app:{seed}"))
    });
    images.collect::<Vec<_>>()[0].layers[0].digest
}

fn begin_all(daemon: &Running, registry: &Registry) -> Vec<UnixStream> {
    let pulls = (0..PULLS).map(|seed| begin_pull(daemon, registry, &format!("app:{seed}")));
    pulls.collect()
}

fn finish(mut pulls: Vec<UnixStream>) {
    for pull in &mut pulls {
        let told = read(pull).body;
        assert!(told.contains("Downloaded newer image"), "{told}");
    }
}

/// T46
#[test]
fn many_pulls_at_once_share_what_they_have_in_common() {
    let registry = Registry::start();
    let base = images(&registry, 100_000);
    let gate = registry.blob(&base).hold();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let mut pulls = begin_all(&daemon, &registry);
    for pull in &mut pulls {
        // All know what they need.
        read_until(pull, "Pulling fs layer");
    }
    gate.open();
    for pull in &mut pulls {
        let mut told = String::new();
        pull.read_to_string(&mut told).unwrap();
        assert!(told.contains("Downloaded newer image"), "{told}");
    }
    assert_eq!(registry.requested_ranges(&base), ["whole"]);
    let listed = daemon.get("/images/json").json();
    assert_eq!(listed.as_array().unwrap().len(), 20);
    assert!(
        daemon.most_memory() < CEILING,
        "{} KiB",
        daemon.most_memory()
    );
}

/// Asks for the images over a connection that stays, and returns how long the answer took.
fn time(stream: &mut UnixStream) -> Duration {
    let begun = Instant::now();
    stream
        .write_all(b"GET /images/json HTTP/1.1\r\nhost: d\r\n\r\n")
        .unwrap();
    let mut text = Vec::new();
    let mut piece = vec![0; 65536];
    loop {
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0);
        text.extend_from_slice(&piece[..length]);
        let all = String::from_utf8_lossy(&text);
        let Some((head, body)) = all.split_once("\r\n\r\n") else {
            continue;
        };
        let expected = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == expected.unwrap().parse::<usize>().unwrap() {
            return begun.elapsed();
        }
    }
}

/// T47: the limit that shells begin with is too low for so many, and is raised.
#[test]
fn a_crowd_that_is_idle_does_not_slow_the_answers() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let registry = Registry::builder().link(8 << 20).start();
    images(&registry, 1 << 20);
    let windlass = Windlass::new();
    let host = format!("unix://{}", windlass.path("d.sock").display());
    let script = "ulimit -S -n 1024; exec \"$@\"";
    let daemon = windlass.through(["sh", "-c", script, "sh"], ["daemon", "--host", &host]);
    let daemon = Running::of(&windlass, daemon);
    let (before, memory) = (daemon.descriptors(), daemon.most_memory());
    let idle: Vec<_> = (0..IDLE)
        .map(|_| UnixStream::connect(&daemon.socket).unwrap())
        .collect();
    let mut asking = UnixStream::connect(&daemon.socket).unwrap();
    asking.set_read_timeout(Some(TOO_LONG)).unwrap();
    time(&mut asking);
    assert!(daemon.descriptors() > IDLE);
    let memory = daemon.most_memory() - memory;
    assert!(memory < IDLE_CEILING, "{memory} KiB");

    let pulls = begin_all(&daemon, &registry);
    let mut times = Vec::new();
    for _ in 0..QUESTIONS {
        times.push(time(&mut asking));
        // They come while the pulls run, and not all before.
        thread::sleep(Duration::from_millis(4));
    }
    finish(pulls);
    times.sort();
    let (half, most) = (times[QUESTIONS / 2], times[QUESTIONS * 99 / 100]);
    eprintln!(
        "half of the answers within {half:?}, 99 % within {most:?}, all within {:?}",
        times[QUESTIONS - 1]
    );
    eprintln!(
        "idle clients: {memory} KiB; in all {} KiB",
        daemon.most_memory()
    );
    assert!(most < SLOW, "{most:?}");
    assert!(daemon.most_memory() < CEILING + IDLE_CEILING);
    drop((idle, asking));
    daemon.settles_at(before + 8);
}
