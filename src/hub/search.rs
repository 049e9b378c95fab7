//! Models by a search string.

use futures::TryStreamExt;

use super::{Hub, Kind, Repo, wait};
use crate::progress::Onlooker;
use crate::{Error, Result};

impl Hub {
    /// Names of `author`'s models that `text` finds on the hub, `most` of them, those that are downloaded most first.
    ///
    /// # Errors
    /// [`Error::Input`] at once where HF_HUB_OFFLINE is set, or where the hub does not answer; [`Error::Cancelled`] if
    /// the onlooker cancels.
    pub fn search(
        &self,
        author: &str,
        text: &str,
        most: usize,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Vec<Repo>> {
        if self.offline {
            return Err(Error::input(
                "HF_HUB_OFFLINE is set, so the hub is not searched: what its cache has is in the list",
            ));
        }
        let (client, author, text) = (self.client.clone(), author.to_owned(), text.to_owned());
        let what = format!("the hub's models like {text:?}");
        let call = async move {
            let stream = client
                .list_models()
                .search(text)
                .author(author)
                .sort("downloads")
                .limit(most)
                .send()?;
            futures::pin_mut!(stream);
            let mut found = Vec::new();
            while let Some(model) = stream.try_next().await? {
                found.extend(Repo::parse(Kind::Model, &model.id));
            }
            Ok(found)
        };
        wait(call, self.patience, onlooker, &what, None)?
            .map_err(|e| Error::input(self.unreached(&what, &e)))
    }
}
