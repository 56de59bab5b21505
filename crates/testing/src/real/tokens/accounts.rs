//! The users and their permissions.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::Random;
use crate::real::{PASSWORD, USER};

/// An action on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryAction {
    /// Pull.
    Pull,
    /// Push.
    Push,
    /// Delete.
    Delete,
}

/// Permissions on a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryGrant {
    /// The repository's full name.
    pub repository: String,
    /// The granted actions.
    pub actions: Vec<RepositoryAction>,
}

/// The client that sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenCaller {
    /// A client without credentials.
    Anonymous,
    /// An authenticated user.
    User(String),
}

/// The users, their grants, and the refresh tokens issued.
#[derive(Debug)]
pub(super) struct AccountStore {
    users: HashMap<String, Account>,
    anonymous: Vec<RepositoryGrant>,
    /// Users by refresh token.
    refresh_tokens: HashMap<String, String>,
    random: Random,
}

#[derive(Debug)]
struct Account {
    password: String,
    /// `None` for all permissions.
    grants: Option<Vec<RepositoryGrant>>,
}

impl RepositoryGrant {
    /// Grants `actions` on `repository`.
    pub fn new(repository: &str, actions: &[RepositoryAction]) -> Self {
        Self {
            repository: repository.to_owned(),
            actions: actions.to_owned(),
        }
    }

    /// Grants pulling from `repository`.
    pub fn pull(repository: &str) -> Self {
        Self::new(repository, &[RepositoryAction::Pull])
    }
}

impl AccountStore {
    /// Creates the user [`USER`] with all permissions.
    pub(super) fn new() -> Self {
        let password = PASSWORD.to_owned();
        let user = Account {
            password,
            grants: None,
        };
        Self {
            users: HashMap::from([(USER.to_owned(), user)]),
            anonymous: Vec::new(),
            refresh_tokens: HashMap::new(),
            random: Random::new(0x77_69_6e_63_68),
        }
    }

    pub(super) fn add(&mut self, name: &str, password: &str, grants: &[RepositoryGrant]) {
        let user = Account {
            password: password.to_owned(),
            grants: Some(grants.to_owned()),
        };
        self.users.insert(name.to_owned(), user);
    }

    pub(super) fn grant_to_all(&mut self, grant: RepositoryGrant) {
        self.anonymous.push(grant);
    }

    /// Returns whether this is the password of the user.
    pub(super) fn has_password(&self, name: &str, password: &str) -> bool {
        let user = self.users.get(name);
        user.is_some_and(|user| user.password == password)
    }

    /// Returns the user that the refresh token was issued to.
    pub(super) fn refresh_token_owner(&self, refresh_token: &str) -> Option<&str> {
        self.refresh_tokens.get(refresh_token).map(String::as_str)
    }

    /// Issues a refresh token to a user.
    pub(super) fn refresh_token(&mut self, name: &str) -> String {
        let token = format!("refresh-{:016x}", self.random.number());
        self.refresh_tokens.insert(token.clone(), name.to_owned());
        token
    }

    /// Revokes all refresh tokens.
    pub(super) fn revoke_refresh_tokens(&mut self) {
        self.refresh_tokens.clear();
    }

    /// Returns the granted part of the scope `type:name:actions` as a claim; `None` if nothing is granted.
    pub(super) fn granted(&self, caller: &TokenCaller, scope: &str) -> Option<Value> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let granted: Vec<_> = actions
            .split(',')
            .filter(|action| self.is_allowed(caller, kind, name, action))
            .collect();
        (!granted.is_empty()).then(|| json!({ "type": kind, "name": name, "actions": granted }))
    }

    fn is_allowed(&self, caller: &TokenCaller, kind: &str, name: &str, action: &str) -> bool {
        let user = match caller {
            TokenCaller::Anonymous => None,
            TokenCaller::User(user) => self.users.get(user),
        };
        let own = match user {
            Some(Account { grants: None, .. }) => return true,
            Some(Account {
                grants: Some(grants),
                ..
            }) => grants.as_slice(),
            None => &[],
        };
        kind == "repository"
            && own.iter().chain(&self.anonymous).any(|grant| {
                grant.repository == name && grant.actions.iter().any(|it| it.name() == action)
            })
    }
}

impl RepositoryAction {
    /// Returns the name in scopes and tokens.
    fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_the_requested_and_granted_actions() {
        let mut accounts = AccountStore::new();
        accounts.add("mate", "oar", &[RepositoryGrant::pull("hold/app")]);
        accounts.grant_to_all(RepositoryGrant::pull("deck"));
        let granted = |caller: &TokenCaller, scope| {
            let granted = accounts.granted(caller, scope);
            granted.map(|granted| granted["actions"].to_string())
        };
        let mate = TokenCaller::User("mate".to_owned());
        let bosun = TokenCaller::User(USER.to_owned());

        let pull = Some("[\"pull\"]".to_owned());
        assert_eq!(granted(&mate, "repository:hold/app:pull,push"), pull);
        assert_eq!(granted(&mate, "repository:deck:pull"), pull);
        assert_eq!(granted(&mate, "repository:hold:pull"), None);
        assert_eq!(granted(&mate, "registry:hold/app:pull"), None);
        assert_eq!(
            granted(&TokenCaller::Anonymous, "repository:deck:pull"),
            pull
        );
        assert_eq!(
            granted(&TokenCaller::Anonymous, "repository:hold/app:pull"),
            None
        );
        assert_eq!(
            granted(&bosun, "registry:catalog:*"),
            Some("[\"*\"]".to_owned())
        );
        assert_eq!(granted(&bosun, "repository"), None);
    }
}
