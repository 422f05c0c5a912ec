//! LAYER 4. The HTTP port: the DynamoDB API at `/`, the KV API at `/kv`, `/health` and `/metrics`. Its worker threads also host the shards
//! of the hot-path actors.
//!
//! Every handler takes the request's body, also where it needs none: one that is left unread closes the connection.
//!
//! Both APIs share the recipients of their worker (`store`), the bounds of bodies (`body`), who may ask (`caller`) and which web pages may
//! (`origins`), and what they are to the server (`surface`).

mod body;
mod caller;
pub mod dynamodb;
pub mod gathering;
pub mod kv;
mod origins;
pub mod store;
mod surface;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix_rt::ArbiterHandle;
use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::mpsc::UnboundedSender;

use crate::metrics::Metrics;
use dynamodb::signature::AccessKey;
use dynamodb::{Api, ApiError, Caller, Endpoint, Reply, Request};
use kv::KvEndpoint;
pub use origins::Origins;
use store::Store;

/// A connection on which nothing is asked for this long is closed. Client libraries keep theirs for a while; the sooner a server closes them,
/// the more often a request meets one that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Whether the node serves, and if not, what it waits for.
#[derive(Clone, Default)]
pub struct Health {
    waiting_for: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// A node that does not serve yet.
    pub fn starting() -> Self {
        let health = Self::default();
        health.wait_for("starting");
        health
    }

    /// It waits for something.
    pub fn wait_for(&self, what: &str) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }

    /// It serves.
    pub fn ready(&self) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn waiting_for(&self) -> Option<String> {
        self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A thread of the server: actors can be started there, and its API has a store once the door is opened.
pub struct Worker {
    /// The thread.
    pub arbiter: ArbiterHandle,
    /// Where its requests go.
    pub door: Door,
}

/// Where the requests of a worker go, once its actors run.
#[derive(Clone, Default)]
pub struct Door(Arc<OnceLock<Store>>);

impl Door {
    /// Lets requests in. A door that is open stays as it is.
    pub fn open(&self, store: Store) {
        // It is opened once, when the worker's actors have started.
        let _ = self.0.set(store);
    }

    fn store(&self) -> Option<&Store> {
        self.0.get()
    }
}

/// Who may ask, and how many may wait.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Requests of both APIs must be signed with one of these, unless there is none.
    pub keys: Vec<AccessKey>,
    /// Web pages of these origins may use both APIs.
    pub origins: Origins,
    /// So many reads of the KV API may wait for news at once, on each worker.
    pub long_polls_max: usize,
}

impl Api for Door {
    async fn run(&self, request: Request, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        match self.store() {
            Some(store) => store.run(request, caller).await,
            None => Err(ApiError::ServiceUnavailable { message: "the node does not serve yet: see /health".into() }),
        }
    }
}

/// Starts the server with `workers` threads and reports each of them.
pub fn serve(
    listener: TcpListener,
    workers: usize,
    health: Health,
    metrics: Metrics,
    admission: Admission,
    started: UnboundedSender<Worker>,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let door = Door::default();
        if let Some(arbiter) = actix_rt::Arbiter::try_current() {
            // Nobody listens any more only when the process is ending.
            let _ = started.send(Worker { arbiter, door: door.clone() });
        }
        App::new()
            .app_data(web::Data::new(health.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .configure(|config| register(config, door, &admission, &metrics))
            .route("/health", web::get().to(show_health))
            .route("/metrics", web::get().to(show_metrics))
    });
    // A client that has gone is not waited for: what still ran for it is dropped, above all reads that wait for news.
    let server = server.h1_allow_half_closed(false).keep_alive(IDLE_MAX);
    Ok(server.workers(workers).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

/// Paths are tried in this order. The DynamoDB API has one and most of the requests; to try those of the KV API takes regular expressions.
fn register(config: &mut web::ServiceConfig, door: Door, admission: &Admission, metrics: &Metrics) {
    let Admission { keys, origins, long_polls_max } = admission.clone();
    Endpoint::new(door.clone()).keys(keys.clone()).origins(origins.clone()).register(config);
    KvEndpoint::new(door, long_polls_max, metrics.kv.clone()).keys(keys).origins(origins).register(config);
}

async fn show_health(health: web::Data<Health>, _body: web::Bytes) -> HttpResponse {
    match health.waiting_for() {
        None => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Some(what) => {
            HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "starting", "waiting_for": what }))
        }
    }
}

async fn show_metrics(metrics: web::Data<Metrics>, _body: web::Bytes) -> HttpResponse {
    let text = metrics.render();
    HttpResponse::Ok()
        .insert_header(ContentType(
            "application/openmetrics-text; version=1.0.0; charset=utf-8".parse().unwrap_or(mime()),
        ))
        .body(text)
}

fn mime() -> actix_web::mime::Mime {
    actix_web::mime::TEXT_PLAIN_UTF_8
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use tokio::sync::mpsc::unbounded_channel;

    use super::{Admission, Health, Metrics, serve};

    /// Client libraries do so: five seconds, which are usual in servers, are too few.
    #[test]
    fn a_connection_may_rest_for_a_while() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        std::thread::spawn(move || {
            let (started, _workers) = unbounded_channel();
            let server = async move {
                serve(listener, 1, Health::default(), Metrics::new(), Admission::default(), started).unwrap().await
            };
            actix_rt::System::new().block_on(server)
        });
        for rest in [Duration::from_secs(7), Duration::ZERO] {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let (mut answer, mut byte) = (Vec::new(), [0]);
            while !answer.ends_with(b"}") {
                stream.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            std::thread::sleep(rest);
        }
    }
}
