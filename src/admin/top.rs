//! `top`: which keys, partitions and nodes are asked for most.

use super::answer::{Answer, Format};
use super::command::{TopArguments, TopSubject};
use super::failure::Failure;
use super::session::Session;
use super::view::top::{TopKeysView, TopNodesView, TopPartitionsView};
use crate::messages::balancing::{Rebalance, Verdict};
use crate::messages::load::DescribeLoad;

/// Carries out `top`.
///
/// # Errors
///
/// [`Failure`], whose exit code says why.
pub async fn run(session: &Session, arguments: &TopArguments, format: Format) -> Result<Answer, Failure> {
    let limit = u32::from(arguments.limit);
    let asked = match arguments.what {
        TopSubject::Keys => DescribeLoad { keys: limit, partitions: 0 },
        TopSubject::Partitions => DescribeLoad { keys: 0, partitions: limit },
        TopSubject::Nodes => DescribeLoad { keys: 0, partitions: 0 },
    };
    let load = session.link.ask(&asked).await?;
    let (answer, silent) = match arguments.what {
        TopSubject::Keys => {
            let view = TopKeysView::from(load);
            (Answer::of(&view, format), view.silent)
        }
        TopSubject::Partitions => {
            let view = TopPartitionsView::from(load);
            (Answer::of(&view, format), view.silent)
        }
        TopSubject::Nodes => {
            let view = TopNodesView::from(load);
            let answer = Answer::of(&view, format);
            (if view.is_balanced() { answer } else { advised(session, answer).await }, view.silent())
        }
    };
    Ok(if silent.is_empty() { answer } else { answer.note(format!("no answer from: {}", silent.join(", "))) })
}

/// Says whether other owners would help. Who cannot say that says nothing: it is not what was asked for.
async fn advised(session: &Session, answer: Answer) -> Answer {
    match session.link.send(&Rebalance { stage: false }).await {
        Ok(told) if told.verdict == Verdict::Helps => answer
            .note(format!("`cluster rebalance` would balance this: {} partitions get other owners", told.partitions)),
        _ => answer,
    }
}
