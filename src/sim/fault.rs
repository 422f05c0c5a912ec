//! The ways in which things go wrong.

/// A way in which things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process dies; its connections close.
    Crash,
    /// A machine dies; its connections say nothing any more.
    SilentCrash,
    /// All machines die at once.
    PowerFailure,
    /// All processes are started again, one after the other, in any order.
    RestartStorm,
    /// Some nodes and the others cannot hear each other.
    Partition,
    /// Some nodes do not hear the others, who hear them.
    OneSidedPartition,
    /// One node and all others cannot hear each other.
    Isolation,
    /// One node does not hear another.
    OneWay,
    /// The link between two nodes comes and goes, every 0.2 to 2 s.
    Flapping,
    /// The connections between two nodes break, perhaps in the middle of a frame.
    Reset,
    /// Frames from one node to another are lost, doubled and late.
    Garbled,
    /// A link takes a hundred times as long.
    SlowLink,
    /// All that a node says takes a hundred times as long.
    SlowNode,
    /// A disk takes a hundred times as long.
    SlowDisk,
    /// A process stops for 1 to 30 s without dying.
    Pause,
    /// A clock jumps, within what the configuration allows.
    ClockJump,
    /// A clock is wrong by more than the configuration allows, for a while.
    ClockBeyondLimit,
    /// A clock stands still for a while.
    ClockStops,
    /// A disk has no room for a while.
    FullDisk,
    /// A write fails, and with it the process.
    FailingDisk,
    /// A disk cannot be read for a while.
    UnreadableDisk,
    /// A bit of what is stored flips.
    BitRot,
    /// A stored value lies in the place of another.
    Misdirected,
    /// A node comes back with a copy of its disk that was made a while ago.
    StaleDisk,
    /// A node comes back without its disk.
    LostDisk,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 25] = [
        Self::Crash,
        Self::SilentCrash,
        Self::PowerFailure,
        Self::RestartStorm,
        Self::Partition,
        Self::OneSidedPartition,
        Self::Isolation,
        Self::OneWay,
        Self::Flapping,
        Self::Reset,
        Self::Garbled,
        Self::SlowLink,
        Self::SlowNode,
        Self::SlowDisk,
        Self::Pause,
        Self::ClockJump,
        Self::ClockBeyondLimit,
        Self::ClockStops,
        Self::FullDisk,
        Self::FailingDisk,
        Self::UnreadableDisk,
        Self::BitRot,
        Self::Misdirected,
        Self::StaleDisk,
        Self::LostDisk,
    ];

    /// Whether a node forgets by it what it has acknowledged. Only one node of a run is struck by these, and only where W promises
    /// a second copy.
    #[must_use]
    pub const fn makes_forget(self) -> bool {
        matches!(self, Self::BitRot | Self::Misdirected | Self::StaleDisk | Self::LostDisk)
    }

    /// Whether clocks are then further apart than the configuration allows.
    #[must_use]
    pub const fn breaks_clocks(self) -> bool {
        matches!(self, Self::ClockBeyondLimit | Self::ClockStops)
    }
}
