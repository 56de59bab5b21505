//! As whom to run: `USER[:GROUP]`, looked up in the image's own files.
//!
//! A number is that user, listed or not; a name has to be listed. Without a group it is the listed user's, and
//! the groups besides are those that list the user; a group that is given is the only one.

use windlass_oci::text::sanitize;

use crate::accounts::{Accounts, GROUP, PASSWD, Passwd, id};
use crate::error::{AccountsError, BundleWarning, ConvertError};
use crate::options::RuntimeUser;
use crate::root::ImageRoot;
use crate::spec::User;

/// As many groups as Linux lets a process be in.
const MAX_GROUPS: usize = 1 << 16;

/// Who runs it, before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserName<'a> {
    user: Name<'a>,
    group: Option<Name<'a>>,
}

/// A user or group, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name<'a> {
    Number(u32),
    Text(&'a str),
}

/// A user of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) user: User,
    /// The user's home, or `/`.
    pub(crate) home: String,
}

impl<'a> UserName<'a> {
    /// Reads `USER`, `USER:GROUP`, `:GROUP` or nothing, which is root.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ConvertError> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let invalid = || ConvertError::InvalidUser {
            user: sanitize(text),
        };
        if group.contains(':') || text.contains('\0') {
            return Err(invalid());
        }
        let name = |text| Name::parse(text).ok_or_else(invalid);
        Ok(Self {
            user: if user.is_empty() {
                Name::Number(0)
            } else {
                name(user)?
            },
            group: if group.is_empty() {
                None
            } else {
                Some(name(group)?)
            },
        })
    }

    /// Looks the user up in `root`.
    pub(crate) fn resolve(
        &self,
        root: ImageRoot<'_>,
        runtime_user: RuntimeUser,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<Resolved, ConvertError> {
        let passwd = self.user.accounts(root, PASSWD, warnings)?;
        let listed = passwd
            .users()
            .find(|listed| self.user.is(listed.name, listed.uid));
        let (uid, user_gid) = match (listed, self.user) {
            (Some(listed), _) => (listed.uid, listed.gid),
            (None, Name::Number(uid)) => (uid, 0),
            (None, Name::Text(user)) => {
                return Err(ConvertError::UnknownUser {
                    user: sanitize(user),
                });
            }
        };
        let (gid, additional_gids) = match (self.group, listed) {
            (Some(group), _) => (group.gid(root, warnings)?, Vec::new()),
            // Nobody there may choose them.
            (None, _) if runtime_user != RuntimeUser::Root => (user_gid, Vec::new()),
            (None, None) => (user_gid, Vec::new()),
            (None, Some(listed)) => (user_gid, groups_of(listed, root, warnings)),
        };
        if runtime_user != RuntimeUser::Root && (uid, gid) != (0, 0) {
            return Err(ConvertError::Unmapped { uid, gid });
        }
        let user = User {
            uid,
            gid,
            additional_gids,
        };
        Ok(Resolved {
            user,
            home: listed.and_then(home).unwrap_or("/").to_owned(),
        })
    }
}

impl<'a> Name<'a> {
    /// Digits are always a number, and may be too many.
    fn parse(text: &'a str) -> Option<Self> {
        match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => id(text.as_bytes()).map(Self::Number),
            false => Some(Self::Text(text)),
        }
    }

    fn is(self, name: &[u8], id: u32) -> bool {
        match self {
            Self::Number(number) => number == id,
            Self::Text(text) => text.as_bytes() == name,
        }
    }

    /// Reads the file at `path`. A number can do without it.
    fn accounts(
        self,
        root: ImageRoot<'_>,
        path: &'static str,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<Accounts, ConvertError> {
        match (Accounts::read(root, path), self) {
            (Ok(accounts), _) => Ok(accounts),
            (Err(source), Self::Number(_)) => Ok(without(path, source, warnings)),
            (Err(source), Self::Text(name)) => Err(ConvertError::Accounts {
                name: sanitize(name),
                path,
                source,
            }),
        }
    }

    /// Takes it for a group.
    fn gid(
        self,
        root: ImageRoot<'_>,
        warnings: &mut Vec<BundleWarning>,
    ) -> Result<u32, ConvertError> {
        let name = match self {
            Self::Number(gid) => return Ok(gid),
            Self::Text(name) => name,
        };
        let groups = self.accounts(root, GROUP, warnings)?;
        let listed = groups
            .groups()
            .find(|listed| self.is(listed.name, listed.gid));
        let unknown = || ConvertError::UnknownGroup {
            group: sanitize(name),
        };
        listed.map(|listed| listed.gid).ok_or_else(unknown)
    }
}

/// The groups that list `user`.
fn groups_of(user: Passwd<'_>, root: ImageRoot<'_>, warnings: &mut Vec<BundleWarning>) -> Vec<u32> {
    let groups = Accounts::read(root, GROUP);
    let groups = groups.unwrap_or_else(|source| without(GROUP, source, warnings));
    let listing = groups.groups().filter(|group| group.has(user.name));
    let mut gids: Vec<_> = listing.map(|group| group.gid).collect();
    gids.sort_unstable();
    gids.dedup();
    gids.truncate(MAX_GROUPS);
    gids
}

fn without(
    path: &'static str,
    source: AccountsError,
    warnings: &mut Vec<BundleWarning>,
) -> Accounts {
    warnings.push(BundleWarning::Accounts { path, source });
    Accounts::default()
}

fn home(user: Passwd<'_>) -> Option<&str> {
    let home = std::str::from_utf8(user.home).ok()?;
    (home.starts_with('/') && !home.contains('\0')).then_some(home)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:100:Bob:/home/bob:/bin/sh\n\
                          bob:x:1001:1001::/second:\nodd:x:5:6::relative:\n12:x:13:14::/twelve:\n";
    const GROUP: &str =
        "root:x:0:root\nadm:x:4:root,bob\nusers:x:100:\nfleet:x:2000:bob\nadm:x:4:bob\n";

    fn resolved(text: &str, runtime_user: RuntimeUser) -> Result<(User, String), String> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        fs::write(directory.path().join("etc/passwd"), PASSWD).unwrap();
        fs::write(directory.path().join("etc/group"), GROUP).unwrap();
        let handle = fs::File::open(directory.path()).unwrap();
        let mut warnings = Vec::new();
        let resolved = UserName::parse(text).and_then(|user| {
            user.resolve(ImageRoot::new(handle.as_fd()), runtime_user, &mut warnings)
        });
        assert!(warnings.is_empty(), "{warnings:?}");
        let resolved = resolved.map_err(|error| error.to_string())?;
        Ok((resolved.user, resolved.home))
    }

    #[test]
    fn users_are_looked_up_in_the_image() {
        type Row = (&'static str, u32, u32, &'static [u32], &'static str);
        let rows: &[Row] = &[
            ("", 0, 0, &[0, 4], "/root"),
            ("0", 0, 0, &[0, 4], "/root"),
            ("root", 0, 0, &[0, 4], "/root"),
            ("root:", 0, 0, &[0, 4], "/root"),
            ("bob", 1000, 100, &[4, 2000], "/home/bob"),
            ("1000", 1000, 100, &[4, 2000], "/home/bob"),
            ("1001", 1001, 1001, &[4, 2000], "/second"),
            ("bob:fleet", 1000, 2000, &[], "/home/bob"),
            ("bob:0", 1000, 0, &[], "/home/bob"),
            (":fleet", 0, 2000, &[], "/root"),
            ("7", 7, 0, &[], "/"),
            ("7:8", 7, 8, &[], "/"),
            ("7:fleet", 7, 2000, &[], "/"),
            ("odd", 5, 6, &[], "/"),
            // Digits are a number, whoever is called so.
            ("12", 12, 0, &[], "/"),
            (
                "4294967294:4294967294",
                u32::MAX - 1,
                u32::MAX - 1,
                &[],
                "/",
            ),
        ];
        for (text, uid, gid, gids, home) in rows {
            let user = User {
                uid: *uid,
                gid: *gid,
                additional_gids: gids.to_vec(),
            };
            let expected = Ok((user, (*home).to_owned()));
            assert_eq!(resolved(text, RuntimeUser::Root), expected, "{text:?}");
        }
    }

    #[test]
    fn absurd_users_are_refused() {
        let texts = [
            "eve",
            "eve:0",
            "bob:eve",
            "4294967295",
            "99999999999999999999",
            "1:2:3",
            "1:4294967295",
            "a\0b",
            "-1",
            "+1",
            "Bob",
        ];
        let refusals = texts.map(|text| resolved(text, RuntimeUser::Root).unwrap_err());
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        the image has no user "eve"
        the image has no user "eve"
        the image has no group "eve"
        "4294967295" is no user: USER or USER:GROUP is, by name or number
        "99999999999999999999" is no user: USER or USER:GROUP is, by name or number
        "1:2:3" is no user: USER or USER:GROUP is, by name or number
        "1:4294967295" is no user: USER or USER:GROUP is, by name or number
        "a\0b" is no user: USER or USER:GROUP is, by name or number
        the image has no user "-1"
        the image has no user "+1"
        the image has no user "Bob"
        "#);
    }

    #[test]
    fn without_root_there_is_root_alone() {
        let runtime_user = RuntimeUser::Rootless {
            uid: 1000,
            gid: 1000,
        };
        let root = (User::default(), "/root".to_owned());
        for text in ["", "0", "root", "root:root", "0:0"] {
            assert_eq!(resolved(text, runtime_user), Ok(root.clone()), "{text:?}");
        }
        for text in ["bob", "1", ":1"] {
            let refusal = resolved(text, runtime_user).unwrap_err();
            assert!(
                refusal.starts_with("it is to run as user"),
                "{text:?}: {refusal}"
            );
        }
    }
}
