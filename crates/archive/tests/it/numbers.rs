//! Numbers are parsed exactly or rejected (T10).

use std::os::unix::fs::MetadataExt;

use crate::builder::{Entry, GID, MODE, MTIME, SIZE, Tar, UID};
use crate::sandbox::{confined, is_root, options};

/// T10: owners up to the largest ID, in every form.
#[test]
fn owners_are_exact() {
    if !is_root("exact ownership") {
        return;
    }
    confined(|sandbox| {
        for id in [0, 65534, 1 << 31, (1 << 32) - 2] {
            let plain = Entry::file("f", "").owner(id, id);
            let binary = Entry::file("f", "")
                .binary(UID, id.into())
                .binary(GID, id.into());
            let pax = Entry::file("f", "")
                .pax("uid", id.to_string())
                .pax("gid", id.to_string());
            for entry in [plain, binary, pax] {
                sandbox.unpack_ok(&Tar::new().entry(entry).end(), &options());
                let data = std::fs::metadata(sandbox.root().join("f")).unwrap();
                assert_eq!((u64::from(data.uid()), u64::from(data.gid())), (id, id));
            }
        }
    });
}

/// T10: invalid numbers are rejected and never become zero.
#[test]
fn malformed_numbers_are_rejected() {
    confined(|sandbox| {
        let file = || Entry::file("f", "");
        let cases = [
            (file().binary(UID, 1 << 32), "uid"),
            (file().binary(UID, (1 << 32) - 1), "uid"),
            (file().binary(GID, -2), "gid"),
            (file().field(UID, b"12abc"), "uid"),
            (file().field(UID, b"1 2"), "uid"),
            (file().field(GID, b"-1"), "gid"),
            (file().field(MODE, b"rwx"), "mode"),
            (file().binary(SIZE, -1), "size"),
            (file().binary(SIZE, 1 << 63), "size"),
            (file().binary(MTIME, 1 << 63), "mtime"),
            (file().pax("uid", "4294967295"), "uid"),
            (file().pax("uid", "18446744073709551616"), "uid"),
            (file().pax("gid", "-2"), "gid"),
            (file().pax("gid", "NaN"), "gid"),
            (file().pax("gid", "+1"), "gid"),
            (file().pax("gid", " 1"), "gid"),
            (file().pax("size", "-1"), "size"),
            (file().pax("size", "9223372036854775808"), "size"),
            (file().pax("mtime", "9223372036854775808"), "mtime"),
            (file().pax("mtime", "1.2.3"), "mtime"),
            (file().pax("mtime", "-"), "mtime"),
            (file().pax("mtime", ".5"), "mtime"),
            (file().pax("mtime", "1e3"), "mtime"),
        ];
        for (entry, field) in cases {
            let tar = Tar::new().entry(entry).end();
            let error = sandbox.unpack_error(&tar, &options());
            let (_, what) = error.split_once(": ").unwrap();
            assert_eq!(what, format!("the {field} is not a number in range"));
        }
    });
}

/// T10: times before 1970, beyond 32 bits, and with nanoseconds.
#[test]
fn times_are_exact() {
    confined(|sandbox| {
        let file = || Entry::file("f", "");
        let cases = [
            (file().binary(MTIME, -1), (-1, 0)),
            (file().number(MTIME, 0), (0, 0)),
            (file().number(MTIME, 1 << 33), (1 << 33, 0)),
            (file().pax("mtime", "-1"), (-1, 0)),
            (file().pax("mtime", "1.5"), (1, 500_000_000)),
            (file().pax("mtime", "1.123456789"), (1, 123_456_789)),
            (file().pax("mtime", "1.1234567899"), (1, 123_456_789)),
            (file().pax("mtime", "-1.25"), (-2, 750_000_000)),
            (file().pax("mtime", "-0.000000001"), (-1, 999_999_999)),
            (file().pax("mtime", "8589934592.000000001"), (1 << 33, 1)),
            (file().pax("mtime", "12."), (12, 0)),
        ];
        for (entry, expected) in cases {
            sandbox.unpack_ok(&Tar::new().entry(entry).end(), &options());
            let data = std::fs::metadata(sandbox.root().join("f")).unwrap();
            assert_eq!((data.mtime(), data.mtime_nsec()), expected);
        }
    });
}

/// T10: only twelve bits of a mode are used, and numbers may be padded as by old programs.
#[test]
fn type_bits_of_modes_and_padding_of_numbers_are_ignored() {
    confined(|sandbox| {
        for field in [
            &b"0100640"[..],
            b" 100640",
            b"100640 \0",
            b"  640\0\0",
            b"640\0xyz",
        ] {
            let entry = Entry::file("f", "")
                .field(MODE, field)
                .field(GID, b"")
                .field(UID, b"       ");
            sandbox.unpack_ok(&Tar::new().entry(entry).end(), &options());
            let data = std::fs::metadata(sandbox.root().join("f")).unwrap();
            assert_eq!(data.mode(), 0o100_640);
        }
    });
}
