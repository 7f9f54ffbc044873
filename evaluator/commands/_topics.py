"""What people come for: the headings of `fweval --help`, in their order. Each command's file names its own."""

DECIDE = "Evaluate"
READ = "Read what was found"
PARTS = "Do one part of an evaluation, with what it rests on"
PREPARE = "Prepare the machine, and tidy up"
TOPICS = (DECIDE, READ, PARTS, PREPARE)
