//! A member of each group makes it by calling the others together.
use crate::{args::Groups, crew::Crew, series::Kind};
use futures_util::{StreamExt, stream};
use restante::clock;

pub(super) async fn play(crew: &Crew) {
    if crew.stage().load.groups == Groups::Configured {
        return;
    }
    let part = crew.part();
    let threads = crew.threads();
    let ours = (0..part.groups()).filter(|group| {
        let first = part.members(*group).start;
        part.lane(first) % threads == crew.thread()
    });
    stream::iter(ours)
        .for_each_concurrent(crew.window(), |group| found(crew, group))
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
        }
    }
}
