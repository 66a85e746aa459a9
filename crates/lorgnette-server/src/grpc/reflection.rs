//! `grpc.reflection.v1` and `v1alpha`: what `grpcurl` and its like ask. The descriptors are made
//! from `proto/` by `oracle/server_descriptors.py`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use prost::Message as _;

use super::messages::reflection::{
    DescriptorProto, ErrorResponse, FileDescriptorProto, FileDescriptorResponse, FileDescriptorSet,
    ListServiceResponse, MessageRequest, MessageResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use super::{Answers, each, streaming, unimplemented};
use crate::app::{App, Deadline};

static DESCRIPTORS: &[u8] = include_bytes!("../../proto/descriptors.bin");

const NOT_FOUND: i32 = 5;
const UNIMPLEMENTED: i32 = 12;

/// The files, and which of them has a symbol.
#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, (Bytes, Vec<String>)>,
    by_symbol: BTreeMap<String, String>,
    services: Vec<String>,
}

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    match method.as_str() {
        "ServerReflectionInfo" => streaming(&app, request, stream).await,
        other => unimplemented(other),
    }
}

fn stream(
    app: Arc<App>,
    requests: tonic::Streaming<ServerReflectionRequest>,
    _: Deadline,
) -> Answers<ServerReflectionResponse> {
    each(app, requests, |request| std::future::ready(answer(request)))
}

fn answer(request: ServerReflectionRequest) -> ServerReflectionResponse {
    let files = files();
    let missing = |what: &str, name: &str| error(NOT_FOUND, format!("there is no {what} '{name}'"));
    let response = match &request.message_request {
        Some(MessageRequest::ListServices(_)) => {
            let service = files.services.iter().map(|name| ServiceResponse { name: name.clone() });
            MessageResponse::Services(ListServiceResponse { service: service.collect() })
        }
        Some(MessageRequest::FileByFilename(name)) => match files.with_dependencies(name) {
            Some(file_descriptor_proto) => {
                MessageResponse::FileDescriptors(FileDescriptorResponse { file_descriptor_proto })
            }
            None => missing("file", name),
        },
        Some(MessageRequest::FileContainingSymbol(symbol)) => {
            let file = files.by_symbol.get(symbol.trim_start_matches('.'));
            match file.and_then(|name| files.with_dependencies(name)) {
                Some(file_descriptor_proto) => {
                    MessageResponse::FileDescriptors(FileDescriptorResponse {
                        file_descriptor_proto,
                    })
                }
                None => missing("symbol", symbol),
            }
        }
        Some(MessageRequest::FileContainingExtension(request)) => {
            missing("extension of", &request.containing_type)
        }
        Some(MessageRequest::AllExtensionNumbersOfType(name)) => missing("extension of", name),
        None => error(UNIMPLEMENTED, "a request of an unknown kind".into()),
    };
    ServerReflectionResponse {
        valid_host: request.host.clone(),
        original_request: Some(request),
        message_response: Some(response),
    }
}

fn error(error_code: i32, error_message: String) -> MessageResponse {
    MessageResponse::Error(ErrorResponse { error_code, error_message })
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
        let mut files = Files::default();
        for bytes in set.file {
            if let Ok(file) = FileDescriptorProto::decode(bytes.clone()) {
                files.add(bytes, file);
            }
        }
        files
    })
}

impl Files {
    fn add(&mut self, bytes: Bytes, file: FileDescriptorProto) {
        let scope = |name: &str| match file.package.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", file.package),
        };
        for service in &file.service {
            let full = scope(&service.name);
            for method in &service.method {
                self.by_symbol.insert(format!("{full}.{}", method.name), file.name.clone());
            }
            self.by_symbol.insert(full.clone(), file.name.clone());
            self.services.push(full);
        }
        for message in &file.message_type {
            self.add_message(&scope(&message.name), message, &file.name);
        }
        for of_enum in &file.enum_type {
            self.by_symbol.insert(scope(&of_enum.name), file.name.clone());
        }
        self.by_name.insert(file.name, (bytes, file.dependency));
    }

    fn add_message(&mut self, full: &str, message: &DescriptorProto, file: &str) {
        self.by_symbol.insert(full.to_owned(), file.to_owned());
        for nested in &message.nested_type {
            self.add_message(&format!("{full}.{}", nested.name), nested, file);
        }
        for of_enum in &message.enum_type {
            self.by_symbol.insert(format!("{full}.{}", of_enum.name), file.to_owned());
        }
    }

    /// A file and all that it imports.
    fn with_dependencies(&self, name: &str) -> Option<Vec<Bytes>> {
        let (mut names, mut at) = (vec![name], 0);
        let mut files = Vec::new();
        while at < names.len() {
            let (bytes, dependencies) = self.by_name.get(names[at])?;
            files.push(bytes.clone());
            for dependency in dependencies {
                if !names.contains(&dependency.as_str()) {
                    names.push(dependency);
                }
            }
            at += 1;
        }
        Some(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_and_message_has_its_file() {
        let files = files();
        assert_eq!(files.services.len(), 5, "{:?}", files.services);
        for symbol in [
            "inference.GRPCInferenceService",
            "inference.GRPCInferenceService.ModelInfer",
            "inference.ModelInferRequest.InferInputTensor",
            "tensorflow.serving.PredictionService",
            "tensorflow.serving.ModelService",
            "tensorflow.TensorProto",
            "grpc.health.v1.Health",
        ] {
            let file = files.by_symbol.get(symbol).unwrap_or_else(|| panic!("no {symbol}"));
            assert!(files.with_dependencies(file).is_some(), "{file} imports what is not there");
        }
    }
}
