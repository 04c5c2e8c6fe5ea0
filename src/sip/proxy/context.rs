//! The response context: what the responses to one forwarded request mean (RFC 3261 §16.7 to
//! §16.10).
use super::Best;
use crate::sip::{codec::Message, transaction::RequestId};
use smallvec::{SmallVec, smallvec};
use std::time::{Duration, Instant};

/// One request that is forwarded, to one target after the other.
///
/// ```text
///                 try_target                     3xx-5xx, silence: told
///   +---------+ ------------> +--------+ ----------------------------> back to Waiting
///   | Waiting |               | Trying | 1xx: relayed
///   +---------+ <------------ +--------+ timer C, CANCEL of the sender: cancelled
///        | finish,                 | 2xx: relayed, told; 6xx: relayed, told
///        | CANCEL of the sender    v
///        |  best or 487       +--------+
///        +------------------> |  Over  | 2xx: relayed, whichever branch it is of
///                             +--------+
/// ```
/// Timer C is that of §16.6 item 11; who forwards may set it shorter for a target, and set one for
/// other requests than INVITE, too. A branch that said nothing by then is given up at once, an
/// INVITE that rang is cancelled and ends by itself.
#[derive(Debug)]
pub struct Context {
    stage: Stage,
    best: Best,
    is_invite: bool,
    /// Someone is told of failures and may try another target.
    attended: bool,
    /// The sender has cancelled.
    cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Trying(Branch),
    Over,
    /// Answered by someone else: nothing goes back any more.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Branch {
    id: RequestId,
    /// A provisional response came: a 2xx may be on its way.
    rang: bool,
    /// CANCEL is on its way or wanted.
    cancelled: bool,
    /// Timer C, while it is not cancelled.
    until: Option<Instant>,
    limit: Option<Duration>,
}

/// What is to be done next, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this response back.
    Relay(Message),
    /// Cancel this branch.
    Cancel(RequestId),
    /// Answer with the best refusal that came (see [`Context::take_best`]).
    Conclude,
    /// Answer that the request was cancelled: 487.
    AnswerCancelled,
    /// Tell who forwards.
    Report(Outcome),
}

/// The steps one event brings: hardly ever more than two.
pub type Steps = SmallVec<[Step; 3]>;

/// How a target was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final response went back: nothing more may be tried.
    Relayed(u16),
    /// The target refused with this code, which has not gone back. Another one may be tried.
    Refused(u16),
    /// The target did not say anything in time; another one may be tried.
    Silent,
    /// The target rang and did not answer in time; another one may be tried.
    RangOut,
    /// The target could not be reached; another one may be tried.
    Unreachable,
    /// The sender cancelled, and is answered.
    Cancelled,
}

impl Context {
    /// A context whose failures are told, so that another target may be tried.
    pub fn attended(is_invite: bool) -> Self {
        Self {
            stage: Stage::Waiting,
            best: Best::default(),
            is_invite,
            attended: true,
            cancelled: false,
        }
    }

    /// A context of one target, whose failure goes back as it is.
    pub fn alone(is_invite: bool) -> Self {
        Self {
            attended: false,
            ..Self::attended(is_invite)
        }
    }

    /// Whether another target may be tried.
    pub fn may_try(&self) -> bool {
        self.stage == Stage::Waiting
    }

    /// Whether the request has its final answer.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over | Stage::Left)
    }

    /// The request goes to a target as the branch `id`, which may stay undecided for `limit`.
    pub fn try_target(&mut self, id: RequestId, limit: Option<Duration>, now: Instant) {
        self.stage = Stage::Trying(Branch {
            id,
            rang: false,
            cancelled: false,
            until: limit.map(|limit| now + limit),
            limit,
        });
    }

    /// A response came on the branch `id`; our Via is gone from it.
    pub fn handle_response(&mut self, id: RequestId, response: Message, now: Instant) -> Steps {
        let code = response.code().unwrap_or(500);
        match (code, self.current(id)) {
            (101..=199, Some(mut branch)) => {
                branch.rang = self.is_invite;
                if self.is_invite && !branch.cancelled {
                    branch.until = branch.limit.map(|limit| now + limit);
                }
                self.stage = Stage::Trying(branch);
                smallvec![Step::Relay(response)]
            }
            (200..=299, _) if self.stage != Stage::Left => self.accepted(id, code, response),
            (300..=699, Some(branch)) => self.refused(branch, code, response),
            // 100 is for us alone; others are of a branch that was given up
            _ => Steps::new(),
        }
    }

    /// A 2xx always goes back, at once, and again when it comes again (§16.7 item 5).
    fn accepted(&mut self, id: RequestId, code: u16, response: Message) -> Steps {
        let before = std::mem::replace(&mut self.stage, Stage::Over);
        let mut steps: Steps = smallvec![Step::Relay(response)];
        if let Stage::Trying(branch) = before
            && self.is_invite
            && branch.id != id
            && !branch.cancelled
        {
            // one that was given up has answered after all: nobody needs the other any more
            steps.push(Step::Cancel(branch.id));
        }
        if before != Stage::Over {
            steps.push(Step::Report(Outcome::Relayed(code)));
        }
        steps
    }

    fn refused(&mut self, branch: Branch, code: u16, response: Message) -> Steps {
        if branch.cancelled && code == 487 {
            // it answers our CANCEL: what the target has to say is that it did not answer
            self.best.concluded(408);
            return self.failed(Outcome::RangOut);
        }
        self.best.received(response);
        match code {
            600.. => self.conclude(code),
            _ => self.failed(Outcome::Refused(code)),
        }
    }

    /// The branch ended without a final response in time.
    pub fn handle_silence(&mut self, id: RequestId) -> Steps {
        let Some(branch) = self.current(id) else {
            return Steps::new();
        };
        self.best.concluded(408);
        self.failed(match branch.rang {
            true => Outcome::RangOut,
            false => Outcome::Silent,
        })
    }

    /// The branch could not be sent, or its way back is gone: as if `code` had come, 503 (§16.9)
    /// or 513 where it is too large to be sent.
    pub fn handle_unreachable(&mut self, id: RequestId, code: u16) -> Steps {
        if self.current(id).is_none() {
            return Steps::new();
        }
        self.best.concluded(code);
        self.failed(Outcome::Unreachable)
    }

    /// The sender cancels. What is under way is cancelled, and the sender answered when that has
    /// ended: a 2xx may cross (§16.10).
    pub fn handle_cancel(&mut self) -> Steps {
        self.cancelled = true;
        match &mut self.stage {
            Stage::Waiting => self.answer_cancelled(),
            Stage::Trying(branch) => {
                branch.until = None;
                match std::mem::replace(&mut branch.cancelled, true) {
                    true => Steps::new(),
                    false => smallvec![Step::Cancel(branch.id)],
                }
            }
            Stage::Over | Stage::Left => Steps::new(),
        }
    }

    /// Lets timer C fire if it is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        let Stage::Trying(branch) = &mut self.stage else {
            return Steps::new();
        };
        if branch.until.is_none_or(|until| until > now) {
            return Steps::new();
        }
        branch.until = None;
        let mut steps = Steps::new();
        if self.is_invite {
            branch.cancelled = true;
            steps.push(Step::Cancel(branch.id));
        }
        if !branch.rang {
            self.best.concluded(408);
            steps.extend(self.failed(Outcome::Silent));
        }
        steps
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Trying(branch) => branch.until,
            Stage::Waiting | Stage::Over | Stage::Left => None,
        }
    }

    /// Who forwards has no further target: the best refusal goes back, now or when the branch
    /// under way has failed.
    pub fn finish(&mut self) -> Steps {
        self.attended = false;
        match self.stage {
            Stage::Waiting => {
                self.stage = Stage::Over;
                smallvec![Step::Conclude]
            }
            Stage::Trying(_) | Stage::Over | Stage::Left => Steps::new(),
        }
    }

    /// Who forwards answers by other means: nothing goes back from here any more, and what is
    /// under way is cancelled. False if the request has its answer already.
    pub fn leave(&mut self) -> (bool, Steps) {
        match std::mem::replace(&mut self.stage, Stage::Left) {
            Stage::Waiting => (true, Steps::new()),
            Stage::Trying(branch) if self.is_invite => (true, smallvec![Step::Cancel(branch.id)]),
            Stage::Trying(_) => (true, Steps::new()),
            Stage::Over | Stage::Left => (false, Steps::new()),
        }
    }

    /// The best refusal, for [`Step::Conclude`].
    pub fn take_best(&mut self) -> Best {
        std::mem::take(&mut self.best)
    }

    fn failed(&mut self, outcome: Outcome) -> Steps {
        self.stage = Stage::Waiting;
        match (self.cancelled, self.attended) {
            (true, _) => self.answer_cancelled(),
            (false, true) => smallvec![Step::Report(outcome)],
            (false, false) => self.finish(),
        }
    }

    fn conclude(&mut self, code: u16) -> Steps {
        self.stage = Stage::Over;
        smallvec![Step::Conclude, Step::Report(Outcome::Relayed(code))]
    }

    fn answer_cancelled(&mut self) -> Steps {
        self.stage = Stage::Over;
        smallvec![Step::AnswerCancelled, Step::Report(Outcome::Cancelled)]
    }

    fn current(&self, id: RequestId) -> Option<Branch> {
        match self.stage {
            Stage::Trying(branch) if branch.id == id => Some(branch),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::{Builder, Method};

    const FIRST: RequestId = RequestId(1);
    const SECOND: RequestId = RequestId(2);
    const TIMER_C: Duration = Duration::from_secs(185);
    const LIMIT: Option<Duration> = Some(TIMER_C);

    fn response(code: u16) -> Message {
        Builder::response(
            &Builder::request(Method::Invite, "sip:bob@example.com").build(),
            code,
        )
        .build()
    }

    fn trying() -> (Context, Instant) {
        let (mut context, now) = (Context::attended(true), Instant::now());
        context.try_target(FIRST, LIMIT, now);
        (context, now)
    }

    fn relayed(code: u16) -> Step {
        Step::Relay(response(code))
    }

    fn told(outcome: Outcome) -> Step {
        Step::Report(outcome)
    }

    #[test]
    fn provisional_responses_but_100_go_back_and_a_2xx_ends_it() {
        let (mut context, now) = trying();
        let mut heard = |code| context.handle_response(FIRST, response(code), now).to_vec();
        assert_eq!(heard(100), []);
        assert_eq!(heard(180), [relayed(180)]);
        assert_eq!(heard(200), [relayed(200), told(Outcome::Relayed(200))]);
        // whoever sends it repeats it until the ACK comes
        assert_eq!(heard(200), [relayed(200)]);
        assert_eq!(heard(486), []);
        assert!(context.is_over());
    }

    #[test]
    fn failure_is_told_before_it_goes_back_and_another_target_may_follow() {
        let (mut context, now) = trying();
        let steps = context.handle_response(FIRST, response(486), now);
        assert_eq!(steps.to_vec(), [told(Outcome::Refused(486))]);
        assert!(context.may_try());
        context.try_target(SECOND, LIMIT, now);
        let steps = context.handle_silence(SECOND);
        assert_eq!(steps.to_vec(), [told(Outcome::Silent)]);
        assert_eq!(context.finish().to_vec(), [Step::Conclude]);
        assert_eq!(context.take_best().code(), Some(486));
    }

    #[test]
    fn global_refusal_goes_back_at_once() {
        let (mut context, now) = trying();
        let steps = context.handle_response(FIRST, response(603), now);
        assert_eq!(
            steps.to_vec(),
            [Step::Conclude, told(Outcome::Relayed(603))]
        );
        assert!(!context.may_try());
    }

    #[test]
    fn sender_who_cancels_is_answered_when_the_branch_has_ended() {
        let (mut context, now) = trying();
        context.handle_response(FIRST, response(180), now);
        assert_eq!(context.handle_cancel().to_vec(), [Step::Cancel(FIRST)]);
        assert_eq!(context.handle_cancel().to_vec(), []);
        let steps = context.handle_response(FIRST, response(487), now);
        let cancelled = [Step::AnswerCancelled, told(Outcome::Cancelled)];
        assert_eq!(steps.to_vec(), cancelled);
    }

    #[test]
    fn sender_who_cancels_between_two_targets_is_answered_at_once() {
        let (mut context, now) = trying();
        context.handle_response(FIRST, response(480), now);
        assert_eq!(
            context.handle_cancel().to_vec(),
            [Step::AnswerCancelled, told(Outcome::Cancelled)]
        );
    }

    #[test]
    fn acceptance_that_crosses_the_cancel_goes_back() {
        let (mut context, now) = trying();
        context.handle_cancel();
        let steps = context.handle_response(FIRST, response(200), now);
        assert_eq!(steps.to_vec(), [relayed(200), told(Outcome::Relayed(200))]);
    }

    #[test]
    fn branch_that_rings_too_long_is_cancelled_and_ends_by_itself() {
        let (mut context, start) = trying();
        let later = start + Duration::from_secs(100);
        context.handle_response(FIRST, response(180), later);
        // every provisional response starts timer C anew
        assert_eq!(context.next_timeout(), Some(later + TIMER_C));
        assert_eq!(context.handle_timeout(start + TIMER_C).to_vec(), []);
        let steps = context.handle_timeout(later + TIMER_C);
        assert_eq!(steps.to_vec(), [Step::Cancel(FIRST)]);
        let steps = context.handle_response(FIRST, response(487), later + TIMER_C);
        assert_eq!(steps.to_vec(), [told(Outcome::RangOut)]);
        context.finish();
        // the sender has not cancelled: 487 is not for its ears
        assert_eq!(context.take_best().code(), Some(408));
    }

    #[test]
    fn branch_that_says_nothing_is_given_up_and_may_still_accept() {
        let (mut context, start) = trying();
        let steps = context.handle_timeout(start + TIMER_C);
        assert_eq!(steps.to_vec(), [Step::Cancel(FIRST), told(Outcome::Silent)]);
        context.try_target(SECOND, LIMIT, start + TIMER_C);
        let steps = context.handle_response(FIRST, response(200), start + TIMER_C);
        assert_eq!(
            steps.to_vec(),
            [
                relayed(200),
                Step::Cancel(SECOND),
                told(Outcome::Relayed(200))
            ]
        );
    }

    #[test]
    fn message_without_an_answer_in_time_is_given_up_and_never_cancelled() {
        let (mut context, start) = (Context::attended(false), Instant::now());
        context.try_target(FIRST, LIMIT, start);
        let steps = context.handle_timeout(start + TIMER_C);
        assert_eq!(steps.to_vec(), [told(Outcome::Silent)]);
        context.try_target(SECOND, LIMIT, start + TIMER_C);
        let steps = context.handle_response(FIRST, response(200), start + TIMER_C);
        assert_eq!(steps.to_vec(), [relayed(200), told(Outcome::Relayed(200))]);
    }

    #[test]
    fn unattended_request_has_its_failure_go_back() {
        let now = Instant::now();
        let mut context = Context::alone(false);
        context.try_target(FIRST, None, now);
        assert_eq!(context.next_timeout(), None);
        let steps = context.handle_response(FIRST, response(481), now);
        assert_eq!(steps.to_vec(), [Step::Conclude]);
        assert_eq!(context.take_best().code(), Some(481));
    }

    #[test]
    fn who_leaves_while_a_branch_is_under_way_leaves_it_to_its_end() {
        let (mut context, now) = trying();
        assert_eq!(context.finish().to_vec(), []);
        let steps = context.handle_unreachable(FIRST, 503);
        assert_eq!(steps.to_vec(), [Step::Conclude]);
        assert_eq!(context.handle_response(FIRST, response(200), now).len(), 1);
    }

    #[test]
    fn request_that_is_answered_by_other_means_has_no_second_answer() {
        let (mut context, now) = trying();
        let (may_answer, steps) = context.leave();
        assert_eq!(
            (may_answer, steps.to_vec()),
            (true, vec![Step::Cancel(FIRST)])
        );
        assert_eq!(context.handle_response(FIRST, response(200), now).len(), 0);
        let (mut context, _) = trying();
        context.handle_response(FIRST, response(200), now);
        assert!(!context.leave().0);
    }
}
