// A Java program with ordinary work and Deflaters: `Deflaters leak|clean`.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.Deflater;

public class Deflaters {
	static final long STEP_NS = 100_000_000;
	static final List<Deflater> kept = new ArrayList<>();
	static final Map<Integer, String> recent = new HashMap<>();
	static volatile long operations;

	static void compress(boolean leaks, byte[] text) {
		Deflater d = new Deflater();
		d.setInput(text);
		d.finish();
		byte[] out = new byte[4096];
		while (!d.finished())
			d.deflate(out);
		if (leaks)
			kept.add(d);
		else
			d.end();
		operations++;
	}

	static void work(boolean leaks) throws InterruptedException {
		long begun = System.nanoTime();
		for (int n = 0;; n++) {
			StringBuilder text = new StringBuilder();
			for (int i = 0; i < 2000; i++)
				text.append("line ").append(n * 31 + i).append('\n');
			recent.put(n % 500, text.toString());
			compress(leaks, text.toString().getBytes());
			if (n == 100)
				System.out.println("ready");
			long ahead = begun + (n + 1) * STEP_NS - System.nanoTime();
			if (ahead > 0)
				Thread.sleep(ahead / 1_000_000, (int) (ahead % 1_000_000));
		}
	}

	public static void main(String[] args) throws Exception {
		boolean leaks = args[0].equals("leak");
		Thread worker = new Thread(() -> {
			try {
				work(leaks);
			} catch (InterruptedException e) {
				throw new RuntimeException(e);
			}
		});
		worker.setDaemon(true);
		worker.start();
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		while (in.readLine() != null)
			System.out.println("{\"operations\": " + operations + ", \"kept\": "
					+ kept.size() + "}");
	}
}
