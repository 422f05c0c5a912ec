//! What stands below the arguments in the help of a command: meaning and examples.

/// What follows the program's help.
pub(super) const PROGRAM_HELP: &str = "\
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unavailable, 6 outcome unknown, 7 secret, \
8 throttled, 9 verification failed, 10 partly done. Results go to stdout, everything else to stderr.

Examples:
  slipring-admin status
  slipring-admin put kv cart:1 '{\"items\": [\"milk\"]}'
  slipring-admin --connect 10.0.0.1:7400,10.0.0.2:7400 import kv records.jsonl --key id";

/// What follows the session's list of commands.
pub(super) const LINE_HELP: &str = "\
Of the session:
  \\json [on|off]    print JSON from now on
  \\timing [on|off]  print how long each command took
  exit              leave (also Ctrl-D); Ctrl-C cancels a line or a running command

`help COMMAND` shows its arguments and examples.";

/// What follows the help of `create`.
pub(super) const CREATE_HELP: &str = "\
The table is there on every node that can be reached once this has answered; on the others as soon as they hear of it.

Examples:
  create sessions --key id --w 1
  create orders --key customer --sort at:N --conflict lww";

/// What follows the help of `cluster`.
pub(super) const CLUSTER_HELP: &str = "\
Several changes may be staged and are done together. `plan` shows what a commit would move; `commit` begins, and `tasks` shows how \
far it is. Reads and writes go on meanwhile. `rebalance` goes by what `top` shows, and is done by itself.

Examples:
  cluster join 10.0.0.4:7400
  cluster leave node-2
  cluster replace node-3 --with 10.0.0.5:7400
  cluster rebalance
  cluster plan
  cluster commit";

/// What follows the help of `task`.
pub(super) const TASK_HELP: &str = "\
A move is cancelled as a whole. What has not settled yet is back at once or with the next requests, what has is copied back; \
nothing that was acknowledged is lost. A move that replaces a lost node cannot be cancelled once partitions have settled.

Examples:
  task show move-7-d
  task cancel move-7
  task retry move-7-d";

/// What follows the help of `put`.
pub(super) const PUT_HELP: &str = "\
The key attribute may be left out of the JSON: it is added. Without --context the item stays beside what is there, as \
a sibling; with the context of a `get` it replaces what that `get` has shown.

Examples:
  put kv cart:1 {\"items\": [\"milk\"]}             in a session; in a shell put the JSON in quotes
  put kv cart:1 {\"items\": [\"milk\", \"tea\"]} --context AQx5…
  put kv session:9 {\"user\": 7} --ttl 3600";

/// What follows the help of `top`.
pub(super) const TOP_HELP: &str = "\
Rates are of the last seconds: what was asked for 10 s ago counts half. Of a key REQUESTS/S is what is certain, and \
AT MOST what is possible. A client's request is a request for several copies: N for a write, R for a read.

Examples:
  top keys
  top partitions --limit 20
  top nodes
  watch 2 top keys";

/// What follows the help of `import`.
pub(super) const IMPORT_HELP: &str = "\
FILE is JSON Lines, an array of objects, or an object with one array of objects; `-` is the standard input.
Interrupted or failed in part, run it again: what is there already is left alone.

Examples:
  import kv records.jsonl --key id
  import kv iso_639-3.json --key alpha_3 --concurrency 64";

/// What follows the help of `export`.
pub(super) const EXPORT_HELP: &str = "\
Of an item with siblings each is written, on a line of its own (exit code 10).

Examples:
  export kv
  export kv records.jsonl --key id";
