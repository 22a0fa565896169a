/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry point: the table of subcommands, and the choice among them.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

/*
 * To add a subcommand: write cmd/<name>.c, declare it in cmd/cmd.h, add a line
 * here in alphabetical order, and describe it in the docs: tests/docs/ compares
 * this table with them.
 */
static const struct ax_cmd commands[] = {
    { "version", ax_cmd_version, "print the version" },
};

enum { EXIT_USAGE = 2 };

static void print_usage(FILE *out)
{
    fprintf(out, "usage: auspex COMMAND [ARGUMENT]...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`auspex COMMAND --help` tells more about one of them.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "auspex: no command '%s'; see auspex --help\n", argv[1]);
    return EXIT_USAGE;
}
