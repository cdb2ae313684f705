/// What the kernel lets a process take of its node's memory.
#pragma once

/// Local. Bytes that this node can still give to this process: what the kernel has available, or
/// less where a control group that the process is in, or one above it, has a lower limit (of Slurm,
/// systemd or a container; versions 1 and 2). Page cache that goes when memory is short counts as
/// free. At least 1; 0 where neither says.
double memory_left_bytes(void);
/// Local. The same for who needs so much: where the node has it but a group's limit leaves less, it
/// looks again for up to three seconds, as the kernel's count of page cache may be two old.
double memory_left_for(double wanted_bytes);
/// Local. The same where `root` stands for /.
double memory_left_below(const char *root, double wanted_bytes);
