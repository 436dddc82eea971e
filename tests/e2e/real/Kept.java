// Java that keeps things outside of its heap: `Kept deflater|direct leak|clean`.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

public class Kept {
	static final List<Object> kept = new ArrayList<>();
	static final int BYTES = 50000;
	static volatile long made;

	static void step(String kind, boolean leaks) {
		if (kind.equals("deflater")) {
			Deflater d = new Deflater();
			if (leaks)
				kept.add(d);
			else
				d.end();
		} else {
			ByteBuffer b = ByteBuffer.allocateDirect(BYTES);
			if (leaks)
				kept.add(b);
		}
		made++;
	}

	public static void main(String[] args) throws Exception {
		boolean leaks = args[1].equals("leak");
		Thread worker = new Thread(() -> {
			long begun = System.nanoTime();
			for (int n = 1;; n++) {
				step(args[0], leaks);
				if (n == 25)
					System.out.println("ready");
				if (n % 100 == 0 && args[0].equals("direct"))
					System.gc(); // as RMI does, and the limit of direct memory
				long ahead = begun + n * 40_000_000L - System.nanoTime();
				try {
					Thread.sleep(Math.max(ahead, 0) / 1_000_000);
				} catch (InterruptedException e) {
					return;
				}
			}
		});
		worker.setDaemon(true);
		worker.start();
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		while (in.readLine() != null)
			System.out.println("{\"operations\": " + made + ", \"kept\": " + kept.size() + "}");
	}
}
