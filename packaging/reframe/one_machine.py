"""A configuration of ReFrame: this machine alone, ranks by mpirun."""

site_configuration = {
    "systems": [
        {
            "name": "one_machine",
            "hostnames": [".*"],
            "partitions": [
                {
                    "name": "here",
                    "scheduler": "local",
                    "launcher": "mpirun",
                    "environs": ["builtin"],
                }
            ],
        }
    ],
    "environments": [{"name": "builtin"}],
}
