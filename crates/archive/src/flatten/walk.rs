//! Resolves paths in the tree of names, as [`crate::apply`] does it in a directory: through symbolic links, as if the
//! root were `/`.

use super::tree::{Node, ROOT, Tree};
use crate::apply::names;
use crate::apply::tree::Missing;
use crate::apply::walk::{BYTES_A_COMPONENT, MOST_LINKS, MOST_STEPS, push_components};
use crate::error::{EntryError, EntryName};

impl Tree {
    /// Returns the directory that the cleaned `path` leads to; none if it is missing and to be left so.
    pub(super) fn resolve(
        &mut self,
        path: &[u8],
        missing: Missing,
    ) -> Result<Option<usize>, EntryError> {
        match self.without_links(path) {
            Some(found) => Ok(Some(found)),
            None => self.walk(path, missing),
        }
    }

    fn without_links(&self, path: &[u8]) -> Option<usize> {
        let mut names = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty());
        names.try_fold(ROOT, |here, name| match self.child(here, name)? {
            Node::Directory(inner) => Some(*inner),
            Node::Symlink(..) | Node::Other(_) => None,
        })
    }

    fn walk(&mut self, path: &[u8], missing: Missing) -> Result<Option<usize>, EntryError> {
        let mut here = ROOT;
        let (mut links, mut steps) = (0, 0);
        let mut ahead = Vec::new();
        push_components(&mut ahead, path);
        while let Some(name) = ahead.pop() {
            steps += 1;
            if steps > MOST_STEPS {
                return Err(EntryError::LinkLoop);
            }
            let length = self.directories[here].length;
            if links > 0 {
                let cost = 1 + (length / BYTES_A_COMPONENT) as u64;
                let left = self.link_steps.checked_sub(cost);
                self.link_steps = left.ok_or(EntryError::LinkLoop)?;
            }
            if name == b".." {
                // As at the root of a file system, the parent of the root is the root.
                here = self.directories[here].above;
                continue;
            }
            if length + usize::from(length > 0) + name.len() >= names::PATH_MAX {
                return Err(EntryError::PathTooLong);
            }
            here = match self.child(here, &name) {
                Some(Node::Directory(inner)) => *inner,
                Some(Node::Symlink(_, text)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(EntryError::LinkLoop);
                    }
                    push_components(&mut ahead, text);
                    if text.starts_with(b"/") { ROOT } else { here }
                }
                None if missing == Missing::Make => self.make_directory(here, &name)?,
                None => return Ok(None),
                Some(Node::Other(_)) if missing == Missing::Leave => return Ok(None),
                Some(Node::Other(_)) => {
                    return Err(EntryError::NotADirectory {
                        parent: EntryName::new(&self.path(here, &name)),
                    });
                }
            };
        }
        Ok(Some(here))
    }
}
