//! The program as its users meet it: arguments in; standard output, standard error, files and an
//! exit code out.

mod arguments;
mod blur;
mod classify;
mod embed;
mod evaluate;
mod export;
mod faces;
mod fleet;
mod forms;
mod graph;
mod growth;
mod hostile;
mod library;
mod map;
mod models;
mod networks;
mod pictures;
mod program;
mod quantise;
mod run;
mod search;
mod train;
mod words;
