//! Every key of `node.toml`, declared once: type, default, unit, rule, what it does, how to choose it.
//!
//! The typed fields, parsing, validation, `--check`, `docs/configuration.md` and `config/node.toml` follow from this
//! list. After a change here, `SLIPRING_BLESS=1 cargo test --test config_reference` rewrites the two files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::declare::{Key, Section, declare_config};
use super::rule::Rule;
use super::setting::{Durability, Field, LogFormat, Placement, ReadOrder};

const KIB: i64 = 1 << 10;
const MIB: i64 = KIB << 10;
const GIB: i64 = MIB << 10;
const TIB: i64 = GIB << 10;

/// Pages that the machine of the browser serves itself.
const LOOPBACK_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// The most worker threads of one node.
pub(super) const WORKERS_MAX: usize = 64;

declare_config! {
    /// This process: its name, where it keeps its files and how much of the machine it takes.
    [node] NodeSection {
        /// Name of this node, different on every node of the cluster.
        name: String = "node-1".to_owned(),
            unit "", within Rule::Name { optional: false },
            choose "Pick a name that outlives the machine, such as `a` or `rack2-db1`: operators see it in logs, \
                metrics and `slipring-admin`.";
        /// Directory that holds everything this node stores; created if missing.
        data_dir: PathBuf = PathBuf::from("./slipring-data"),
            unit "", within Rule::Path { optional: false },
            choose "A relative path starts at the folder the node is started in, so services want an absolute one, \
                on a local disk. Two nodes must never share it.";
        /// Failure domain of this node, such as a rack or an availability zone; empty means none.
        zone: Option<String> = None,
            unit "", within Rule::Name { optional: true },
            choose "Replicas go to different zones where there are enough of them. Set it on all nodes or on none.";
        /// Share of the ring's partitions that this node takes, relative to the other nodes.
        weight: u32 = 1,
            unit "", within Rule::Integer { min: 1, max: 64 },
            choose "Leave 1 where machines are alike; 2 gives a node twice the partitions of a node with 1.";
        /// Worker threads; 0 means one for every 2 cores, and at least one.
        workers: usize = 0,
            unit "threads", within Rule::Integer { min: 0, max: WORKERS_MAX as i64 },
            choose "Leave 0 on a machine of its own: the other cores go to the storage engine. Set 1 where several \
                nodes share a small machine.";
    }

    /// The cluster that this node belongs to.
    [cluster] ClusterSection {
        /// Name of the cluster; nodes refuse peers and clients of a cluster with another name.
        name: String = "slipring".to_owned(),
            unit "", within Rule::Name { optional: false },
            choose "The same on every node. Give staging and production different names, so that they cannot mix.";
        /// Bridge addresses of members of the cluster that this node shall be joined to; empty founds a cluster, once.
        seeds: Vec<String> = Vec::new(),
            unit "", within Rule::Addresses,
            choose "One address is enough; more are for the day on which it is down. A node with seeds waits until an operator \
                joins it (`slipring-admin cluster join`), and never founds a cluster. Give the founder some, too, once it has \
                company: if it loses its disk it finds its cluster again.";
        /// Bridge addresses of all nodes that found a cluster together, this node's own included; empty: alone.
        founders: Vec<String> = Vec::new(),
            unit "", within Rule::Addresses,
            choose "The same list on every one of them, with each address as that node advertises it, and no seeds. It says how a \
                cluster begins; who belongs to it later is decided with `slipring-admin cluster`.";
        /// File with the secret that nodes and clients prove to each other on the bridge; empty means none.
        secret_file: Option<PathBuf> = None,
            unit "", within Rule::Path { optional: true },
            choose "Set it wherever the bridge leaves the machine: the same 16..=4096 bytes on every node, readable \
                by its owner only (`umask 077; openssl rand -hex 32 > FILE`).";
        /// Accept listening on addresses that other machines reach, without authentication.
        insecure: bool = false,
            unit "", within Rule::Switch,
            choose "Leave false. True says that a firewall or a private network keeps strangers away: whoever \
                reaches the ports can read and change everything.";
    }

    /// The bridge: the port on which nodes, admins and native clients talk to this node.
    [bridge] BridgeSection {
        /// Address that the bridge listens on.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            unit "", within Rule::Listen,
            choose "An address of this machine; other than loopback it needs `cluster.secret_file` (or \
                `cluster.insecure`). With 0.0.0.0, set `bridge.advertise` too.";
        /// Bridge address that others connect to; empty means `bridge.listen`.
        advertise: Option<String> = None,
            unit "", within Rule::Address,
            choose "Set it where others reach this node by another address than it listens on: 0.0.0.0, containers, \
                NAT, DNS names.";
        /// Largest frame the bridge accepts; a larger one closes its connection.
        frame_max_bytes: usize = 16 << 20,
            unit "bytes", within Rule::Integer { min: MIB, max: 64 * MIB },
            choose "The same on every node. It bounds the memory that one connection can claim, and the largest \
                item with all its siblings has to fit.";
    }

    /// HTTP: the DynamoDB API, the KV API, `/health`, `/metrics` and the console.
    [http] HttpSection {
        /// Address that HTTP listens on.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            unit "", within Rule::Listen,
            choose "An address of this machine; other than loopback it needs `http.access_keys_file` (or `cluster.insecure`). \
                HTTP is not encrypted: between machines put a proxy with TLS in front. `/health` and `/metrics` ask for no key.";
        /// File with the keys that requests of both APIs must be signed with; empty: unsigned requests are served, too.
        access_keys_file: Option<PathBuf> = None,
            unit "", within Rule::Path { optional: true },
            choose "Set it wherever HTTP leaves the machine: a line `ID SECRET` for each key, the same on every node, readable by \
                its owner only. Clients take the two as `aws_access_key_id` and `aws_secret_access_key`. Read at the start.";
        /// Origins of the web pages that may use both APIs from a browser; `*` behind a host means any of its ports, `["*"]` any page.
        cors_origins: Vec<String> = LOOPBACK_ORIGINS.map(str::to_owned).to_vec(),
            unit "", within Rule::Origins,
            choose "The default lets in pages that this machine serves itself, such as an application under development. Name the \
                sites that shall use it, as browsers send them; `[]` keeps all out. `[\"*\"]` needs `http.access_keys_file`: without \
                keys any page that somebody opens could read and change everything.";
    }

    /// The ring that spreads keys over the nodes.
    [ring] RingSection {
        /// Number of equal slices of the ring, the unit in which nodes own and move keys.
        partitions: u32 = 256,
            unit "partitions", within Rule::PowerOfTwo { min: 8, max: 16_384 },
            choose "Fixed when the cluster is created, and the same on every node. At least 16 for every node the \
                cluster may ever have; each costs a little memory and background work.";
    }

    /// Defaults of a table that does not choose its own replication.
    [replication] ReplicationSection {
        /// Replicas of every item (N).
        n: usize = 3,
            unit "replicas", within Rule::Integer { min: 1, max: 9 },
            choose "3 keeps quorums of 2 when any one node is lost, 5 keeps quorums of 3 when any two are. A node holds \
                at most one replica of an item.";
        /// Replicas that must answer a read (R).
        r: usize = 2,
            unit "replicas", within Rule::Integer { min: 1, max: 9 },
            choose "At most N. With R + W > N a read sees the latest acknowledged write as long as quorums are \
                strict; 1 is the fastest and may be stale.";
        /// Replicas that must store a write before it is acknowledged (W).
        w: usize = 2,
            unit "replicas", within Rule::Integer { min: 1, max: 9 },
            choose "At most N. W - 1 is how many disks may be lost right after an acknowledgement without losing \
                the write.";
        /// Whether other nodes may stand in for unreachable replicas of a write and count toward W.
        sloppy: bool = true,
            unit "", within Rule::Switch,
            choose "True keeps writes available while replicas are away, and a read may miss them until they are \
                handed over. False refuses such writes.";
    }

    /// Which replicas this node asks when it coordinates a read.
    [routing] RoutingSection {
        /// Which of the other replicas a read asks: "fastest" those that are expected to answer first, "random" any.
        reads: ReadOrder = ReadOrder::Fastest,
            unit "", within Rule::Choice(ReadOrder::CHOICES),
            choose "Leave \"fastest\": a replica that is slow or busy is then asked by few reads. \"random\" is there to compare with. \
                What a read sees does not depend on it.";
    }

    /// What is kept on this node's disk and in its memory.
    [storage] StorageSection {
        /// When an acknowledged write is on disk: "always" before, "interval" at most `sync_interval_ms` after.
        durability: Durability = Durability::Always,
            unit "", within Rule::Choice(Durability::CHOICES),
            choose "Keep \"always\" for anything you cannot write again. \"interval\" is faster on slow disks, and a \
                power loss on W nodes at once can take acknowledged writes.";
        /// Time between two syncs with `durability = "interval"`.
        sync_interval_ms: u64 = 100,
            unit "ms", within Rule::Integer { min: 1, max: 60_000 },
            choose "As long a time as you can afford to lose; without effect with \"always\".";
        /// Memory for the cache of records and blocks.
        cache_bytes: u64 = 96 << 20,
            unit "bytes", within Rule::Integer { min: MIB, max: TIB },
            choose "Enough for the items that are read often. The process takes this and its buffers; what is left of \
                the memory serves as the system's page cache.";
        /// Free disk space below which writes are refused, so that reads, handoff and repair go on.
        reserve_bytes: u64 = 64 << 20,
            unit "bytes", within Rule::Integer { min: MIB, max: TIB },
            choose "A few percent of a real disk, and more than compaction needs at once; the default suits a try-out.";
    }

    /// How much a node takes on before it says `Overloaded`, and how long things may take or last.
    [limits] LimitsSection {
        /// Time after which a client's request fails if its quorum is not reached.
        request_timeout_ms: u64 = 2000,
            unit "ms", within Rule::Integer { min: 10, max: 600_000 },
            choose "Several times the slowest healthy request, and below the timeout of your clients.";
        /// Requests that one worker coordinates at a time; more are refused as `Overloaded`.
        inflight_requests: usize = 4096,
            unit "requests per worker", within Rule::Integer { min: 1, max: 1_000_000 },
            choose "Wanted throughput per worker times its latency, times 4. Lower it where memory is short.";
        /// Connections that each listener (bridge, HTTP) accepts at a time.
        connections: usize = 1024,
            unit "connections", within Rule::Integer { min: 1, max: 1_000_000 },
            choose "More than all client connections together; the process needs as many open files for each \
                listener.";
        /// Messages under way to one peer on one link; more are refused as `Overloaded`.
        peer_inflight: usize = 4096,
            unit "messages per link", within Rule::Integer { min: 1, max: 1_000_000 },
            choose "Raise it for links with long delays, lower it to bound the memory that a slow peer holds.";
        /// Reads of the KV API that wait for news (`wait_ms`) at a time; more are refused as `overloaded`.
        long_polls: usize = 1024,
            unit "requests per worker", within Rule::Integer { min: 0, max: 1_000_000 },
            choose "Each holds a connection and costs about one quorum read per second. 0 lets none wait.";
        /// Siblings of one item above which a warning is logged.
        siblings_warn: usize = 25,
            unit "siblings per item", within Rule::Integer { min: 1, max: 10_000 },
            choose "At most `siblings_max`. Many siblings mean clients that write without the context of a read.";
        /// Siblings of one item above which a further concurrent write is refused.
        siblings_max: usize = 100,
            unit "siblings per item", within Rule::Integer { min: 1, max: 10_000 },
            choose "High enough for honest bursts: a refused write succeeds after a read that resolves the siblings.";
        /// Space for the hints that wait for one node; past it no more are kept, and what the node misses is marked for repair.
        hints_max_bytes: u64 = 1 << 30,
            unit "bytes", within Rule::Integer { min: MIB, max: TIB },
            choose "Written bytes per second times the longest usual outage, divided by the number of nodes.";
        /// How far ahead of this node's clock the time of a peer's write may be; beyond it the write is refused.
        max_clock_skew_ms: u64 = 500,
            unit "ms", within Rule::Integer { min: 10, max: 60_000 },
            choose "Well above what your time synchronisation guarantees: 500 is generous with NTP.";
    }

    /// Hints: writes that are kept for nodes that are away, and handed over when they are back.
    [hinted_handoff] HintedHandoffSection {
        /// Age from which a hint is given up once W primaries hold its write; what its node misses is then marked for repair.
        max_age_s: u64 = 3 * 3600,
            unit "s", within Rule::Integer { min: 1, max: 10 * 365 * 24 * 3600 },
            choose "Longer than usual outages. For a node that is away for longer, comparing replicas costs less than \
                handing over every write it missed.";
        /// Hints that are handed over per second at least, however slow requests are.
        rate_min: u32 = 100,
            unit "hints per second", within Rule::Integer { min: 1, max: 1_000_000 },
            choose "So low that it never hurts: it guarantees that hints drain.";
        /// Hints that are handed over per second at most.
        rate_max: u32 = 20_000,
            unit "hints per second", within Rule::Integer { min: 1, max: 10_000_000 },
            choose "At least `rate_min`. Between the two the rate follows the requests: up while their 99th percentile is at most 1.25 \
                times what it was before, down by half when it is not.";
    }

    /// How fast this node finds out that another one is down. The same on every node; `docs/failure-detection.md` has a table of what
    /// each speed costs.
    [failure_detection] FailureDetectionSection {
        /// Time between two probes; each goes to one member, and all members have their turn.
        probe_interval_ms: u64 = 500,
            unit "ms", within Rule::Integer { min: 50, max: 60_000 },
            choose "At least three times `probe_timeout_ms`. A shorter one finds failures sooner and sends more.";
        /// Time after which a probe that is not answered is given to other members, who probe in this node's stead.
        probe_timeout_ms: u64 = 150,
            unit "ms", within Rule::Integer { min: 5, max: 30_000 },
            choose "More than nearly all round trips between members take: see `slipring-admin links`.";
        /// Time that a member which nobody reached has to speak up, before the cluster counts it as down.
        suspicion_ms: u64 = 2500,
            unit "ms", within Rule::Integer { min: 100, max: 600_000 },
            choose "Longer than the longest pause of a healthy node. It is most of the time that finding a failure takes; \
                a link that breaks is not used in the meantime anyway.";
    }

    /// Anti-entropy: replicas compare their copies in the background and move what differs.
    [anti_entropy] AntiEntropySection {
        /// Whether digests of the records are kept, compared with the other replicas, and differences repaired.
        enabled: bool = true,
            unit "", within Rule::Switch,
            choose "Leave true: it is what finds a copy that nobody reads. After a run with false, the next one with true reads \
                all records once.";
        /// Time within which every partition is compared with each of its other replicas.
        interval_s: u64 = 600,
            unit "s", within Rule::Integer { min: 1, max: 7 * 86_400 },
            choose "A comparison of equal copies is one small message, so minutes are cheap. What is known to differ does not wait.";
        /// Time within which every record on this disk is read and checked against its digest.
        audit_interval_s: u64 = 7 * 86_400,
            unit "s", within Rule::Integer { min: 1, max: 365 * 86_400 },
            choose "It finds what has rotted on the disk and is read by nobody. A day reads the whole disk once a day.";
        /// Most records that this node moves or audits per second for repair.
        records_per_s: u64 = 5_000,
            unit "records per second", within Rule::Integer { min: 1, max: 10_000_000 },
            choose "What a replica may lose in throughput while another is being filled. A tenth of it while clients are served, and \
                less while their requests take longer than usual.";
        /// Most bytes that this node moves or audits per second for repair.
        bytes_per_s: u64 = 16 << 20,
            unit "bytes per second", within Rule::Integer { min: 64 * KIB, max: 100 * GIB },
            choose "A fraction of what disk and network can do, and a tenth of it while clients are served. A wiped node with D bytes is \
                full again after about D divided by this, by the number of its peers.";
    }

    /// What is dropped in the background: expired values, and tombstones.
    [garbage] GarbageSection {
        /// Pause between two walks through this node's records.
        walk_interval_s: u64 = 60,
            unit "s", within Rule::Integer { min: 1, max: 7 * 86_400 },
            choose "A walk reads all records, 5,000 per second. Expired values are hidden at once in any case; this is about the space they take.";
        /// Age from which a tombstone may go, once all nodes have shown that nothing of what it deleted is left. The same on every node.
        tombstones_min_age_s: u64 = 86_400,
            unit "s", within Rule::Integer { min: 1, max: 10 * 365 * 86_400 },
            choose "The age of the oldest copy of a data directory that you would ever start a node from: such a copy does not know the \
                deletes that came after it.";
    }

    /// Balancing: other owners for partitions, so that no node bears more than 15 % above or below what its weight would have it bear.
    [balancing] BalancingSection {
        /// What to do about it: "off" nothing, "propose" log that `cluster rebalance` would help, "auto" exchange owners.
        placement: Placement = Placement::Propose,
            unit "", within Rule::Choice(Placement::CHOICES),
            choose "The same on every node: it is the one that leads the metadata that acts. \"auto\" once you have seen what \"propose\" \
                proposes; it moves copies while clients are served, at the rate of anti-entropy.";
        /// Time for which a node must be out of balance without a break before anything is done.
        patience_s: u64 = 60,
            unit "s", within Rule::Integer { min: 1, max: 7 * 86_400 },
            choose "Longer than the bursts of your load: what lasts less than moving partitions takes is not worth moving them.";
        /// How much a node's part of the requests for copies counts in its load, relative to the other weights.
        requests_weight: u32 = 4,
            unit "", within Rule::Integer { min: 0, max: 1_000 },
            choose "The same on every node. Where all three weights are 0, only requests count.";
        /// How much its part of the bytes of these copies counts.
        bytes_weight: u32 = 2,
            unit "", within Rule::Integer { min: 0, max: 1_000 },
            choose "More where items differ much in size and disks or networks are what is scarce.";
        /// How much its part of the processor time counts. Where a node does not tell its own, it counts for nobody.
        cpu_weight: u32 = 1,
            unit "", within Rule::Integer { min: 0, max: 1_000 },
            choose "More where machines differ. What a node coordinates for clients is part of it, and no partition's: 0 where clients talk \
                to few of the nodes.";
    }

    /// What is logged, and how.
    [log] LogSection {
        /// Which log lines are written, as in `tracing`: a level, or levels by module.
        filter: String = "info,fjall=warn,lsm_tree=warn,actix_server=warn".to_owned(),
            unit "", within Rule::Filter,
            choose "`info` for service, `info,slipring=debug` to follow requests, `warn` to be left alone.";
        /// How a log line is written.
        format: LogFormat = LogFormat::Text,
            unit "", within Rule::Choice(LogFormat::CHOICES),
            choose "\"text\" for people, \"json\" for log collectors.";
    }
}
