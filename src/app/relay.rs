//! Starts the relay: its keys, who may use it, and what SIGHUP reads anew.
use super::{KeyFile, Outcome, SubscriberAccounts, reload::Reloaders};
use crate::{
    config::Config,
    msrp::{
        actor::Desk,
        relay::{Gatekeeper, Sealer},
    },
    sip_core::Subscribers,
};
use std::sync::Arc;

/// Opens the desk where `subscribers` get URIs relayed; `None` where the operator wants no relay.
///
/// Errors: those of [`KeyFile::load_or_make`], or no random octets.
pub(super) fn open(
    config: &Config,
    subscribers: &Subscribers,
    reloaders: &mut Reloaders,
) -> Outcome<Option<Arc<Desk>>> {
    let relay = &config.msrp.relay;
    if !relay.enabled {
        return Ok(None);
    }
    let keys = KeyFile::of(config);
    let sealer = Sealer::new(&keys.load_or_make()?);
    let mut nonce_key = [0; 32];
    getrandom::fill(&mut nonce_key)?;
    let gatekeeper = Gatekeeper::new(relay, config.sip_core.realm(), nonce_key);
    let accounts = SubscriberAccounts::new(subscribers.clone(), &config.sip_core);
    let desk = Desk::new(relay.clone(), sealer, gatekeeper, Arc::new(accounts));
    let reloaded = desk.clone();
    reloaders.add("the relay's keys", move || {
        reloaded.set_sealer(Sealer::new(&keys.load()?));
        Ok(())
    });
    Ok(Some(desk))
}
