//! Members come into their groups; where members make these, one calls the others together first.
use crate::{args::Groups, crew::Crew, series::Kind};
use futures_util::{StreamExt, stream};
use restante::clock;
use std::time::Duration;

/// How often is looked whether another thread has made a group.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn play(crew: &Crew) {
    let part = crew.part();
    stream::iter(0..part.groups())
        .for_each_concurrent(crew.window(), |group| async move {
            let first = part.members(group).start;
            let is_ours = |user: usize| part.lane(user) % crew.threads() == crew.thread();
            let makes = crew.stage().load.groups == Groups::AdHoc;
            if makes && is_ours(first) {
                found(crew, group).await;
            }
            // who comes in needs to know where
            while makes && !crew.rooms().is_known(crew.stage_index(), group) && !crew.is_over() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let others = part.members(group).skip(usize::from(makes));
            for user in others.filter(|user| part.sends(*user) && is_ours(*user)) {
                if crew.is_over() {
                    return;
                }
                crew.join(user, group).await;
            }
        })
        .await;
}

async fn found(crew: &Crew, group: usize) {
    let mut members = crew.part().members(group);
    let Some(first) = members.next() else {
        return;
    };
    let others: Vec<String> = members.map(|member| crew.names().address(member)).collect();
    let begun = clock::now();
    let made = match crew.device(first) {
        Ok(device) => device.call_together(&others).await,
        Err(failure) => Err(failure),
    };
    let (now, since) = (clock::now(), (begun, begun));
    match made {
        Ok(address) => {
            crew.rooms().learn(crew.stage_index(), group, address);
            crew.book().registered(Kind::Found, since, now);
        }
        Err(failure) => {
            let why = format!("group: {}", failure.reason);
            crew.book().refused(None, failure.kind(), &why, since, now);
            crew.book()
                .give_up(format!("a group cannot be made: {}", failure.reason));
        }
    }
}
