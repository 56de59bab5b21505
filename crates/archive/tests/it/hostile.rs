//! Arbitrary sequences of entries: nothing outside of the root changes, and nothing panics (T01-T07, T13).

use proptest::prelude::*;

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, chain, confined, flatten};
use crate::shape::shape;

/// A name of dangerous components and of a few others, so that names collide.
fn name() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        6 => "[a-c]",
        2 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => "[a-c]".prop_map(|name| format!(".wh.{name}")),
        1 => Just(".wh..wh..opq".to_owned()),
        1 => Just("canary".to_owned()),
        1 => Just("f".to_owned()),
    ];
    prop::collection::vec(component, 0..5).prop_map(|components| components.join("/"))
}

/// An entry of an arbitrary type, some with modified bytes in the header or PAX records.
fn entry(canary: &[u8]) -> impl Strategy<Value = Entry> + use<> {
    let canary_file = [canary, b"/f"].concat();
    let target = prop_oneof![
        3 => name().prop_map(String::into_bytes),
        1 => name().prop_map(|name| format!("/{name}").into_bytes()),
        1 => Just(b"../../../../../../../canary".to_vec()),
        2 => Just(canary.to_vec()),
        1 => Just(canary_file),
    ];
    let flag = prop::sample::select(b"0011222225555563xgLKS".to_vec());
    let changes = prop_oneof![
        5 => Just(Vec::new()),
        1 => prop::collection::vec((0..512usize, any::<u8>()), 1..4),
    ];
    let records = prop_oneof![
        5 => Just(Vec::new()),
        1 => prop::collection::vec(any::<u8>(), 1..20),
        1 => "(9 path=b\n|12 linkpath=\n|13 size=1024\n|22 GNU.sparse.map=0,1\n)".prop_map(String::into_bytes),
    ];
    (flag, name(), target, changes, records, 0..0o10000u64).prop_map(
        |(flag, name, target, changes, records, mode)| {
            let mut entry = match flag {
                b'1' => Entry::link(name, target),
                b'2' => Entry::symlink(name, target),
                b'3' => Entry::device(flag, name, 1, 3),
                b'5' => Entry::dir(name),
                flag => Entry::new(flag, name).content("content"),
            };
            entry = entry.mode(mode).raw_pax(&records);
            for (index, byte) in changes {
                entry.header[index] = byte;
            }
            entry
        },
    )
}

#[test]
fn arbitrary_entries_stay_inside() {
    confined(|sandbox| {
        let config = ProptestConfig {
            cases: 150,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let layer = || prop::collection::vec(entry(&sandbox.canary_bytes()), 0..12);
        proptest!(config, |(lower in layer(), upper in layer())| {
            let tar = |entries: Vec<Entry>| entries.into_iter().fold(Tar::new(), Tar::entry).end();
            let (lower, upper) = (tar(lower), tar(upper));
            let mut outcomes = Vec::new();
            for options in all_options() {
                // In any case, the sandbox checks that nothing outside has changed.
                let results = [&lower, &upper].map(|tar| {
                    let result = sandbox.unpack(tar, &options);
                    result.map_err(|error| chain(&error))
                });
                outcomes.push((options.mode, results, shape(&sandbox.root())));
                sandbox.reset();
            }
            // The result does not depend on the path resolution and the number of threads.
            for pair in outcomes.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                prop_assert_eq!(&pair[0], &pair[1]);
            }
        });
    });
}

#[test]
fn arbitrary_bytes_do_not_panic() {
    confined(|sandbox| {
        let config = ProptestConfig {
            cases: 300,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let bytes = prop::collection::vec(any::<u8>(), 0..3000);
        let magic = prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"]);
        proptest!(config, |(magic in magic, bytes in bytes)| {
            let _either = sandbox.unpack(&[magic, &bytes].concat(), &flatten());
        });
    });
}
