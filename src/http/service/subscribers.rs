use super::{Outcome, ServiceError, Services, address, full};
use crate::{
    clock,
    http::view::{
        BindingView, DEFAULT_CLASS, NewPassword, NewSubscriber, Page, PageRequest,
        SubscriberChange, SubscriberView,
    },
    sip_core::{Amendment, Subscriber, SubscriberError},
};
use std::sync::Arc;

/// Who may log in.
///
/// Errors of all: as [`ServiceError`] names them.
impl Services {
    /// Adds a subscriber.
    pub async fn add_subscriber(&self, new: NewSubscriber) -> Outcome<SubscriberView> {
        let address = address(&new.address)?;
        if self.groups.is_group(&address) {
            return Err(ServiceError::Taken(address.to_string()));
        }
        let settings = self.amendment(SubscriberChange {
            deferral: Some(new.deferral),
            class: new.class,
            handing: Some(new.handing),
        })?;
        let added = self
            .subscribers
            .add_with(&address, &new.password, settings)
            .await?;
        tracing::info!(subscriber = %address, "subscriber added by an operator");
        Ok(self.described(&added))
    }

    /// A page of all subscribers.
    pub async fn subscribers(&self, page: &PageRequest) -> Outcome<Page<SubscriberView>> {
        let after = page.after.as_deref().map(address).transpose()?;
        let limit = page.limit();
        let found = self.subscribers.list(after.as_ref(), limit).await?;
        let next = full(&found, limit).map(|last| last.address.to_string());
        let items = found.iter().map(|one| self.described(one)).collect();
        Ok(Page { items, next })
    }

    /// One subscriber.
    pub async fn subscriber(&self, given: &str) -> Outcome<SubscriberView> {
        let address = address(given)?;
        let found = self.subscribers.get(&address).await?;
        let subscriber = found.ok_or(SubscriberError::Unknown(address))?;
        Ok(self.described(&subscriber))
    }

    /// Changes what is kept of a subscriber besides the password.
    pub async fn change_subscriber(
        &self,
        given: &str,
        change: SubscriberChange,
    ) -> Outcome<SubscriberView> {
        let address = address(given)?;
        let what = format!("{change:?}");
        let amendment = self.amendment(change)?;
        self.subscribers.amend(&address, amendment).await?;
        tracing::info!(subscriber = %address, what, "settings changed by an operator");
        // what waits may go out now, or be told of
        self.deferred.nudge(&address).await?;
        self.subscriber(given).await
    }

    /// Gives a subscriber a new password.
    pub async fn set_password(&self, given: &str, new: NewPassword) -> Outcome<SubscriberView> {
        let address = address(given)?;
        self.subscribers
            .set_password(&address, &new.password)
            .await?;
        tracing::info!(subscriber = %address, "password changed by an operator");
        self.subscriber(given).await
    }

    /// Removes a subscriber; what waits for them stays.
    pub async fn remove_subscriber(&self, given: &str) -> Outcome<SubscriberView> {
        let view = self.subscriber(given).await?;
        let address = address(given)?;
        self.subscribers.remove(&address).await?;
        tracing::info!(subscriber = %address, "subscriber removed by an operator");
        Ok(view)
    }

    fn amendment(&self, change: SubscriberChange) -> Outcome<Amendment> {
        let class = change.class.map(|name| self.known_class(name));
        Ok(Amendment {
            deferral: change.deferral,
            class: class.transpose()?,
            handing: change.handing,
        })
    }

    /// The class of this name; none for the default one.
    fn known_class(&self, name: String) -> Outcome<Option<Arc<str>>> {
        let classes = self.deferred.classes();
        if name == DEFAULT_CLASS {
            return Ok(None);
        }
        match classes.has(&name) {
            true => Ok(Some(name.into())),
            false => Err(ServiceError::UnknownClass {
                known: classes
                    .names()
                    .fold(DEFAULT_CLASS.to_owned(), |all, name| all + ", " + name),
                given: name,
            }),
        }
    }

    fn described(&self, subscriber: &Subscriber) -> SubscriberView {
        let bindings = self.location.bindings(&subscriber.address, clock::wall());
        let class = subscriber.settings.class.as_deref();
        SubscriberView {
            address: subscriber.address.to_string(),
            deferral: subscriber.deferral,
            class: class.unwrap_or(DEFAULT_CLASS).to_owned(),
            handing: subscriber.settings.handing,
            created: subscriber.created.to_rfc3339(),
            bindings: bindings
                .iter()
                .map(|binding| BindingView {
                    contact: binding.contact.to_string(),
                    expires: binding.expires_at.to_rfc3339(),
                })
                .collect(),
        }
    }
}
