//! What a run consists of: every thread plays the same scenes with its own users, and all threads
//! begin and end a scene together.
mod login;
mod retrieve;
mod send;

use crate::{args::Scenario, crew::Crew, plan::Plan};

/// One act of all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Senders log in.
    LogIn,
    /// Senders send all their messages, one after the other.
    Send,
    /// Receivers log in, take what waits, and log out.
    Retrieve,
}

impl Scene {
    /// What the run of `scenario` consists of.
    pub fn of(scenario: &Scenario) -> &'static [Self] {
        match scenario {
            Scenario::OfflineSend(_) => &[Self::LogIn, Self::Send],
            Scenario::Retrieve(_) => &[Self::Retrieve],
            Scenario::SendAndRetrieve(_) => &[Self::LogIn, Self::Send, Self::Retrieve],
        }
    }

    /// What is counted in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Send => "accept",
            Self::Retrieve => "deliver",
        }
    }

    /// How much there is to do, with `outstanding` messages acknowledged and not delivered.
    pub fn total(self, plan: &Plan, outstanding: usize) -> u64 {
        match self {
            Self::LogIn => plan.senders as u64,
            Self::Send => plan.messages,
            Self::Retrieve => outstanding as u64,
        }
    }

    /// Plays it with the users of `crew`.
    pub async fn play(self, crew: &Crew) {
        match self {
            Self::LogIn => login::play(crew).await,
            Self::Send => send::play(crew).await,
            Self::Retrieve => retrieve::play(crew).await,
        }
    }
}
