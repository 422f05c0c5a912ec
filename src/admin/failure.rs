//! Why a command did not do what it was asked for, and the exit code of each reason.

use std::io;

use thiserror::Error;

use super::exit::Exit;
use super::usage::UsageError;
use crate::client::{CallError, ConnectError};
use crate::config::SecretError;
use crate::dynamo::context::ContextError;
use crate::item::CodecError;
use crate::messages::LinkError;
use crate::messages::admin::AdminError;
use crate::messages::balancing::RebalanceError;
use crate::messages::client::{FailureReason, GetError, PutError, WriteOutcome};
use crate::messages::metadata::ChangeError;
use crate::messages::repair::ControlRepairError;
use crate::messages::replica::{CoordinateWriteError, ReadReplicaError, StorageRefusal};
use crate::messages::ring::StageError;
use crate::metadata::CommandError;
use crate::wire::handshake::{HandshakeError, Refusal};

/// Why a command failed. What became of the data is in the text of each.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command itself is wrong; nothing was sent.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// No node could be reached; nothing was sent.
    #[error("{}", list(errors))]
    Connect {
        /// What each address answered.
        errors: Vec<ConnectError>,
    },
    /// The secret file cannot be used; nothing was sent.
    #[error("the secret file {path} {source}")]
    Secret {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: SecretError,
    },
    /// A put or delete was refused or is unknown.
    #[error(transparent)]
    Write(#[from] CallError<PutError>),
    /// A read was refused or not answered; nothing was changed.
    #[error(transparent)]
    Read(#[from] CallError<GetError>),
    /// A question about the node was not answered; nothing was changed.
    #[error(transparent)]
    Describe(#[from] CallError<AdminError>),
    /// Anti-entropy was told something, and may forget it.
    #[error(transparent)]
    Control(#[from] CallError<ControlRepairError>),
    /// Tables or members were not changed, or are not known to be.
    #[error(transparent)]
    Change(#[from] CallError<ChangeError>),
    /// A node was not staged, or is not known to be.
    #[error(transparent)]
    Stage(#[from] CallError<StageError>),
    /// What would balance the load is not known, or was not staged.
    #[error(transparent)]
    Rebalance(#[from] CallError<RebalanceError>),
    /// No table has that name; nothing was sent.
    #[error("there is no table `{table}`; {hint}")]
    NoSuchTable {
        /// The name asked for.
        table: String,
        /// A similar name, or the names there are.
        hint: String,
    },
    /// No task has that name; nothing was sent.
    #[error("there is no task `{task}`: it is over, or there never was one; `tasks` lists them")]
    NoSuchTask {
        /// The name asked for.
        task: String,
    },
    /// Nothing was sent.
    #[error("nothing of `{task}` waits for its next try: what can be fetched is being fetched")]
    NothingWaits {
        /// The task.
        task: String,
    },
    /// The bytes of a stored item are not an item.
    #[error("the stored item cannot be read: {0}; `where` shows what each replica holds")]
    BadItem(#[from] CodecError),
    /// A file or stream of this machine failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever read the output has gone.
    #[error("the output was closed")]
    OutputClosed,
    /// The user pressed Ctrl-C during a command that writes.
    #[error("cancelled; the write may or may not have been done")]
    Cancelled,
    /// The user pressed Ctrl-C during a command that reads.
    #[error("cancelled")]
    CancelledRead,
}

fn list(errors: &[ConnectError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Failure {
    /// The exit code that tells a script why.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(error) => error.exit(),
            Self::Connect { errors } if errors.iter().any(is_secret) => Exit::Auth,
            Self::Connect { .. } => Exit::Unavailable,
            Self::Secret { .. } => Exit::Auth,
            Self::Write(error) => write_exit(error),
            Self::Read(error) => read_exit(error),
            Self::Describe(CallError::BadAnswer { .. } | CallError::NotSent { .. }) => Exit::Failed,
            Self::Describe(_) => Exit::Unavailable,
            Self::Control(error) => control_exit(error),
            Self::Change(error) => change_exit(error),
            Self::Stage(error) => stage_exit(error),
            Self::Rebalance(error) => rebalance_exit(error),
            Self::NoSuchTable { .. } | Self::NoSuchTask { .. } => Exit::NotFound,
            Self::NothingWaits { .. } => Exit::Conflict,
            Self::BadItem(_) => Exit::VerificationFailed,
            Self::File { .. } | Self::OutputClosed | Self::CancelledRead => Exit::Failed,
            Self::Cancelled => Exit::Unknown,
        }
    }

    /// Whether the same request may well succeed a little later: a node is down, starting or busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Write(CallError::Refused(_)) | Self::Read(CallError::Refused(_)) => {
                matches!(self.exit(), Exit::Unavailable | Exit::Throttled | Exit::Unknown)
            }
            Self::Write(error) => !matches!(error, CallError::NotSent { .. } | CallError::BadAnswer { .. }),
            Self::Read(error) => !matches!(error, CallError::NotSent { .. } | CallError::BadAnswer { .. }),
            Self::Describe(error) => !matches!(error, CallError::NotSent { .. } | CallError::BadAnswer { .. }),
            _ => false,
        }
    }

    /// Whether a write may have been done all the same.
    pub fn may_be_applied(&self) -> bool {
        match self {
            Self::Write(CallError::Refused(PutError::QuorumNotReached { outcome, .. })) => {
                *outcome == WriteOutcome::Unknown
            }
            Self::Write(error) => write_exit(error) == Exit::Unknown,
            _ => false,
        }
    }

    /// Whether asking through another node may help.
    pub fn blames_the_node(&self) -> bool {
        matches!(
            self,
            Self::Write(CallError::ConnectionLost | CallError::TimedOut { .. })
                | Self::Read(CallError::ConnectionLost | CallError::TimedOut { .. })
                | Self::Describe(_)
        ) || matches!(self.exit(), Exit::Unavailable)
    }
}

fn is_secret(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::Handshake {
            source: HandshakeError::WrongSecret | HandshakeError::Refused(Refusal::WrongSecret),
            ..
        }
    )
}

fn write_exit(error: &CallError<PutError>) -> Exit {
    match error {
        CallError::Refused(refusal) => put_exit(refusal),
        CallError::ConnectionLost | CallError::TimedOut { .. } | CallError::BadAnswer { .. } => Exit::Unknown,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn read_exit(error: &CallError<GetError>) -> Exit {
    match error {
        CallError::Refused(refusal) => get_exit(refusal),
        CallError::ConnectionLost | CallError::TimedOut { .. } => Exit::Unavailable,
        CallError::BadAnswer { .. } => Exit::Failed,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn control_exit(error: &CallError<ControlRepairError>) -> Exit {
    match error {
        CallError::Refused(ControlRepairError::NotDurable { .. }) => Exit::Failed,
        CallError::Refused(ControlRepairError::Stopping)
        | CallError::ConnectionLost
        | CallError::TimedOut { .. }
        | CallError::BadAnswer { .. } => Exit::Unknown,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn change_exit(error: &CallError<ChangeError>) -> Exit {
    match error {
        CallError::Refused(refused) => refused_exit(refused),
        CallError::ConnectionLost | CallError::TimedOut { .. } | CallError::BadAnswer { .. } => Exit::Unknown,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn stage_exit(error: &CallError<StageError>) -> Exit {
    match error {
        CallError::Refused(StageError::NotWaiting { .. }) => Exit::Unavailable,
        CallError::Refused(StageError::Change(refused)) => refused_exit(refused),
        CallError::ConnectionLost | CallError::TimedOut { .. } | CallError::BadAnswer { .. } => Exit::Unknown,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn rebalance_exit(error: &CallError<RebalanceError>) -> Exit {
    match error {
        CallError::Refused(RebalanceError::Silent { .. }) => Exit::Unavailable,
        CallError::Refused(RebalanceError::Change(refused)) => refused_exit(refused),
        CallError::ConnectionLost | CallError::TimedOut { .. } | CallError::BadAnswer { .. } => Exit::Unknown,
        CallError::NotSent { .. } => Exit::Usage,
    }
}

fn refused_exit(error: &ChangeError) -> Exit {
    match error {
        ChangeError::Refused(refused) => match refused {
            CommandError::NoSuchTable { .. } | CommandError::NotAMember { .. } => Exit::NotFound,
            CommandError::TableExists { .. }
            | CommandError::TooManyTables
            | CommandError::IsAMember { .. }
            | CommandError::AddressTaken { .. }
            | CommandError::StagedAlready { .. }
            | CommandError::NothingStaged
            | CommandError::PlanIsOld
            | CommandError::RingMoves
            | CommandError::NotCancelled { .. }
            | CommandError::StillOwns { .. }
            | CommandError::OneGoes
            | CommandError::ExchangeAlone
            | CommandError::BadExchange { .. }
            | CommandError::Setting { .. }
            | CommandError::Protected { .. }
            | CommandError::TooFewMembers { .. } => Exit::Conflict,
            CommandError::BuiltIn { .. }
            | CommandError::Schema { .. }
            | CommandError::Quorum(_)
            | CommandError::NoWeight
            | CommandError::NoRing { .. } => Exit::Usage,
        },
        ChangeError::NoLeader => Exit::Unavailable,
        ChangeError::Unknown => Exit::Unknown,
    }
}

fn put_exit(error: &PutError) -> Exit {
    match error {
        PutError::NoSuchTable { .. } => Exit::NotFound,
        PutError::InvalidItem { .. } | PutError::InvalidKey { .. } | PutError::InvalidQuorum(_) => Exit::Usage,
        PutError::InvalidContext(ContextError::AnotherKey) => Exit::Conflict,
        PutError::InvalidContext(_) => Exit::Usage,
        PutError::Overloaded(_) => Exit::Throttled,
        PutError::Refused(
            CoordinateWriteError::TooManySiblings { .. } | CoordinateWriteError::SiblingsTooLarge { .. },
        ) => Exit::Conflict,
        PutError::Refused(CoordinateWriteError::ClockTooFarAhead(_)) => Exit::Usage,
        PutError::Refused(CoordinateWriteError::HintsFull { .. } | CoordinateWriteError::Stale(_)) => Exit::Unavailable,
        PutError::Refused(CoordinateWriteError::Storage(StorageRefusal::DiskFull { .. })) => Exit::Unavailable,
        PutError::Refused(CoordinateWriteError::Storage(StorageRefusal::Failed { .. })) => Exit::Unknown,
        PutError::Refused(CoordinateWriteError::Link(LinkError::Unreachable)) => Exit::Unavailable,
        PutError::Refused(CoordinateWriteError::Link(LinkError::Overloaded(_))) => Exit::Throttled,
        PutError::Refused(CoordinateWriteError::Link(_)) => Exit::Unknown,
        PutError::CannotReadFirst(error) => get_exit(error),
        PutError::QuorumNotReached { .. } | PutError::RingMoved => Exit::Unavailable,
    }
}

fn get_exit(error: &GetError) -> Exit {
    match error {
        GetError::NoSuchTable { .. } => Exit::NotFound,
        GetError::InvalidKey { .. } | GetError::InvalidQuorum(_) => Exit::Usage,
        GetError::Overloaded(_) => Exit::Throttled,
        GetError::QuorumNotReached { failures, .. } => {
            let corrupt = FailureReason::Read(ReadReplicaError::Corrupt);
            let all_corrupt = !failures.is_empty() && failures.iter().all(|failure| failure.reason == corrupt);
            if all_corrupt { Exit::VerificationFailed } else { Exit::Unavailable }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};
    use crate::client::CallError;
    use crate::dynamo::context::ContextError;
    use crate::messages::Overloaded;
    use crate::messages::client::{GetError, PutError, WriteOutcome};
    use crate::messages::replica::CoordinateWriteError;

    #[test]
    fn each_reason_has_its_exit_code() {
        let quorum = |outcome| PutError::QuorumNotReached { needed: 2, got: 1, failures: Vec::new(), outcome };
        let overloaded = Overloaded { limit: "limits.requests".to_owned(), max: 1 };
        let write = |error| Failure::Write(CallError::Refused(error));
        let cases = [
            (write(PutError::NoSuchTable { table: "x".to_owned() }), Exit::NotFound, false, false),
            (write(PutError::InvalidContext(ContextError::AnotherKey)), Exit::Conflict, false, false),
            (write(PutError::InvalidContext(ContextError::Malformed)), Exit::Usage, false, false),
            (
                write(PutError::Refused(CoordinateWriteError::TooManySiblings { found: 9, max: 8 })),
                Exit::Conflict,
                false,
                false,
            ),
            (write(PutError::Overloaded(overloaded.clone())), Exit::Throttled, true, false),
            (write(quorum(WriteOutcome::NotApplied)), Exit::Unavailable, true, false),
            (write(quorum(WriteOutcome::Unknown)), Exit::Unavailable, true, true),
            (Failure::Write(CallError::ConnectionLost), Exit::Unknown, true, true),
            (Failure::Write(CallError::TimedOut { timeout_ms: 1 }), Exit::Unknown, true, true),
            (Failure::Write(CallError::NotSent { reason: String::new() }), Exit::Usage, false, false),
            (Failure::Read(CallError::ConnectionLost), Exit::Unavailable, true, false),
            (Failure::Read(CallError::Refused(GetError::Overloaded(overloaded))), Exit::Throttled, true, false),
            (Failure::Connect { errors: Vec::new() }, Exit::Unavailable, true, false),
        ];
        for (failure, exit, transient, applied) in cases {
            assert_eq!(failure.exit(), exit, "{failure}");
            assert_eq!(failure.is_transient(), transient, "{failure}");
            assert_eq!(failure.may_be_applied(), applied, "{failure}");
        }
    }
}
