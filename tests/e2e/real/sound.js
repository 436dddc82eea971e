// After a line: a burst of objects and Buffers that all go again, then the steady work of a server.
'use strict';
const STEP_MS = 20, BURST_STEPS = 300;
let held = [], step = 0;

function burst() {
	for (let i = 0; i < 4000; i++)
		held.push({ i, text: 'object ' + i });
	held.push(Buffer.alloc(60000, 1), Buffer.alloc(300, 1));
}

function serve() {
	const answers = [];

	for (let i = 0; i < 500; i++)
		answers.push({ i, text: 'answer ' + i });
	return Buffer.from(JSON.stringify(answers)).length;
}

console.log('ready');
process.stdin.once('data', () => setInterval(() => {
	if (step++ < BURST_STEPS)
		burst();
	else
		held = [];
	if (step === BURST_STEPS + 1)
		console.log('full');
	serve();
}, STEP_MS));
process.stdin.on('end', () => process.exit(0));
