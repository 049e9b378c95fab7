//! What went wrong with the hub, in one sentence that says what to do.

use hf_hub::HFError;

use super::check::without_token;
use super::{Hub, Kind, Repo};
use crate::Error;

impl Hub {
    /// One sentence for what the hub or the line said.
    pub(super) fn refusal(&self, repo: &Repo, path: &str, error: &HFError) -> Error {
        let kind = match repo.kind {
            Kind::Model => "",
            Kind::Dataset => "datasets/",
        };
        let page = format!("huggingface.co/{kind}{}/{}", repo.owner, repo.name);
        let text = match error {
            HFError::AuthRequired { context } | HFError::Forbidden { context } => {
                let gated = context.error_code.as_deref() == Some("GatedRepo");
                let todo = match (gated, self.token.is_some()) {
                    (true, true) => {
                        format!("accept its terms on {page} with the account of HF_TOKEN")
                    }
                    (true, false) => {
                        format!(
                            "accept its terms on {page}, and set HF_TOKEN to a token of that account"
                        )
                    }
                    (false, true) => {
                        "see whether the name is right and HF_TOKEN may read it".into()
                    }
                    (false, false) => {
                        "see whether the name is right; if it is private, set HF_TOKEN".into()
                    }
                };
                let why = if gated {
                    "is gated"
                } else {
                    "is not there for you"
                };
                format!(
                    "the hub's {repo} {why} ({}): {todo}",
                    context.status.as_u16()
                )
            }
            HFError::RepoNotFound { .. }
            | HFError::RevisionNotFound { .. }
            | HFError::EntryNotFound { .. } => format!(
                "the hub has no {path} of {repo}: see whether the name{} and the file are right on {page}",
                if repo.revision.is_some() {
                    ", the revision"
                } else {
                    ""
                }
            ),
            HFError::CacheLockTimeout { path: lock } => format!(
                "{path} of {repo} is being downloaded by another process ({} is locked): wait for it",
                lock.display()
            ),
            HFError::Io(e) => format!("{path} of {repo} cannot be written to the hub's cache: {e}"),
            HFError::RateLimited { .. } => {
                format!("the hub asks to wait before {path} of {repo} is fetched: try again later")
            }
            HFError::Http { context } if context.status.as_u16() == 404 => {
                format!("the hub has no {repo}: see whether the name is right on {page}")
            }
            other => return Error::input(self.unreached(&format!("{path} of {repo}"), other)),
        };
        Error::input(text)
    }

    /// What the line said where it was no answer of the hub's.
    pub(super) fn unreached(&self, what: &str, error: &HFError) -> String {
        let text = match error {
            // reqwest's own text hides the cause behind a chain.
            HFError::Request { source, .. } => {
                let mut cause: &dyn std::error::Error = source;
                while let Some(deeper) = cause.source() {
                    cause = deeper;
                }
                format!(
                    "{what} could not be fetched ({cause}): see whether this machine reaches the hub and try again; \
                     nothing half counts as the file"
                )
            }
            other => format!(
                "{what} could not be fetched ({other}): see whether HF_ENDPOINT is a hub, or try again later"
            ),
        };
        without_token(&text, self.token.as_deref())
    }
}
