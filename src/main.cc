#include "cli/app.h"

int main(int argc, char** argv) { return dcoord::cli::run(argc, argv, dcoord::cli::nouns()); }
