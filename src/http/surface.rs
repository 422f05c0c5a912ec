//! What every surface is to actix-web: a service at its paths, which looks at methods itself.

use std::future::Future;
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse, WebService};
use actix_web::{HttpRequest, HttpResponse, web};

/// Answers every request at its paths.
pub(super) trait Surface: 'static {
    /// The answer, whatever is asked.
    fn serve(&self, request: &HttpRequest, payload: Payload) -> impl Future<Output = HttpResponse>;
}

/// Adds a surface to a worker's application. Not as a resource with routes: each of those layers costs an allocation per request.
pub(super) fn register(surface: impl Surface, at: WebService, config: &mut web::ServiceConfig) {
    let surface = Rc::new(surface);
    config.service(at.finish(move |request: ServiceRequest| {
        let surface = Rc::clone(&surface);
        async move {
            let (request, payload) = request.into_parts();
            let response = surface.serve(&request, payload).await;
            Ok(ServiceResponse::new(request, response))
        }
    }));
}
