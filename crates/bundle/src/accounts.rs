//! `/etc/passwd` and `/etc/group` of an image, as bytes that anybody may have written.

use crate::error::AccountsError;
use crate::root::ImageRoot;

/// Where users are, within an image.
pub(crate) const PASSWD: &str = "/etc/passwd";

/// Where groups are, within an image.
pub(crate) const GROUP: &str = "/etc/group";

/// The longest line of a file that is read, in bytes.
const MAX_LINE: usize = 1 << 20;

/// A file of lines; lines that make no sense say nothing.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Vec<u8>);

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passwd<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: &'a [u8],
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) gid: u32,
    members: &'a [u8],
}

impl Accounts {
    /// Reads the file at `path`; one that is not there has no lines.
    pub(crate) fn read(root: ImageRoot<'_>, path: &str) -> Result<Self, AccountsError> {
        Self::from_bytes(root.read(path)?.unwrap_or_default())
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, AccountsError> {
        let accounts = Self(bytes);
        let is_long = accounts.lines().any(|line| line.len() > MAX_LINE);
        match is_long {
            true => Err(AccountsError::LongLine { limit: MAX_LINE }),
            false => Ok(accounts),
        }
    }

    /// Returns the users, in order.
    pub(crate) fn users(&self) -> impl Iterator<Item = Passwd<'_>> {
        self.lines().filter_map(|line| {
            let mut fields = fields(line);
            let name = fields.next()?;
            let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
            let home = fields.nth(1).unwrap_or_default();
            Some(Passwd {
                name,
                uid,
                gid,
                home,
            })
        })
    }

    /// Returns the groups, in order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.lines().filter_map(|line| {
            let mut fields = fields(line);
            let name = fields.next()?;
            let gid = id(fields.nth(1)?)?;
            let members = fields.next().unwrap_or_default();
            Some(Group { name, gid, members })
        })
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'\n')
    }
}

impl Group<'_> {
    /// Tells whether the user `name` is listed in it.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        let mut members = self.members.split(|byte| *byte == b',');
        !name.is_empty() && members.any(|member| member.trim_ascii() == name)
    }
}

/// Reads a user's or group's number. The largest is the kernel's word for none.
pub(crate) fn id(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.trim_ascii().split(|byte| *byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(text: &str) -> Accounts {
        Accounts::from_bytes(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn lines_that_make_no_sense_say_nothing() {
        let passwd = accounts(
            "root:x:0:0:root:/root:/bin/sh\n\n# note\n+::::::\nshort:x:1\nbad:x:-1:2::/:\n\
             none:x:4294967295:1::/:\nbig:x:4294967296:1::/:\nfew:x:7:8\nlast:x:9:10::/l",
        );
        let users: Vec<_> = passwd
            .users()
            .map(|user| (user.name, user.uid, user.gid, user.home))
            .collect();
        assert_eq!(
            users,
            [
                (b"root".as_slice(), 0, 0, b"/root".as_slice()),
                (b"few", 7, 8, b""),
                (b"last", 9, 10, b"/l")
            ]
        );
    }

    #[test]
    fn members_are_whole_names() {
        let group = accounts("a:x:1:bob,eve\nb:x:2\nc:x:3:bobby, bob\nd:x::bob\ne:x:5:\n");
        let with = |name: &[u8]| -> Vec<u32> {
            let groups = group.groups().filter(|group| group.has(name));
            groups.map(|group| group.gid).collect()
        };
        assert_eq!(with(b"bob"), [1, 3]);
        assert_eq!(with(b"eve"), [1]);
        assert_eq!(with(b""), [0; 0]);
    }

    #[test]
    fn a_line_has_an_end() {
        let long = Accounts::from_bytes(vec![b'x'; MAX_LINE + 1]).unwrap_err();
        assert_eq!(long.to_string(), "a line of more than 1048576 bytes");
        assert!(Accounts::from_bytes(vec![b'x'; MAX_LINE]).is_ok());
    }
}
