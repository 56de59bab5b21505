//! Debian's `dockerd` and windlass get the same requests about the same images, and every difference is a known one.

mod compare;
mod compared_images;
mod known;
mod normalize;
mod steps;

use std::fs;

use compare::{Difference, compare};
use compared_images::ComparedImages;
use known::{KNOWN, Known};

use super::host::Host;
use crate::Case;
use crate::requirements::DOCKERD;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::differences::all_are_known",
        needs: DOCKERD,
        test: all_are_known,
    },
    Case {
        name: "daemon::differences::all_known_ones_are_documented",
        needs: &[],
        test: written_down,
    },
];

fn all_are_known(shared: &SharedState) {
    let directory = shared.directory("differences");
    let images = ComparedImages::new(&directory);
    let dockerd = shared.dockerd().unwrap();
    let windlass = Host::start(shared, "beside-dockerd");
    let mut found: Vec<Difference> = Vec::new();
    for step in steps::steps(&images) {
        let [theirs, ours] = [dockerd.socket(), windlass.socket()].map(|socket| {
            let answer = step.request.send(socket);
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", step.name));
            normalize::normal(&answer, step.body)
        });
        found.extend(compare(&step.name, &theirs, &ours));
    }

    let unknown = found.iter().filter(|found| known(found).is_none());
    let unknown: Vec<String> = unknown.map(ToString::to_string).collect();
    assert!(
        unknown.is_empty(),
        "{} differences that are not known:\n{}",
        unknown.len(),
        unknown.join("\n")
    );
    let is_gone = |known: &&Known| !found.iter().any(|found| known.is(found));
    let gone: Vec<_> = KNOWN.iter().filter(is_gone).collect();
    assert!(gone.is_empty(), "no difference any more: {gone:#?}");
}

fn known(found: &Difference) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.is(found))
}

fn written_down(_: &SharedState) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/docker-differences.md"
    );
    let text = fs::read_to_string(path).unwrap();
    let written: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let rows: Vec<String> = KNOWN.iter().map(Known::row).collect();
    assert!(
        written == rows,
        "the rows of {path} should be:\n{}",
        rows.join("\n")
    );
}
