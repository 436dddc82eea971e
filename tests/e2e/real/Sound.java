// After a line: a cache that fills up to its bound, so that the heap grows to its limit, and garbage.
import java.util.concurrent.ConcurrentHashMap;

class Sound {
	static final int STEP_MS = 20, STEPS = 700, BLOCKS = 100, BYTES = 1000;
	static final byte[][] cache = new byte[STEPS * BLOCKS][];
	static final ConcurrentHashMap<String, byte[]> answers = new ConcurrentHashMap<>();

	static void serve(int step) {
		for (int i = 0; i < BLOCKS; i++)
			cache[(step * BLOCKS + i) % cache.length] = new byte[BYTES];
		for (int i = 0; i < 200; i++)
			answers.put("key " + i, new byte[BYTES]);
	}

	public static void main(String[] args) throws Exception {
		System.out.println("ready");
		if (System.in.read() < 0)
			return;
		for (int step = 0; System.in.available() == 0; step = (step + 1) % (STEPS * 1000)) {
			serve(step);
			if (step == STEPS)
				System.out.println("full");
			Thread.sleep(STEP_MS);
		}
	}
}
