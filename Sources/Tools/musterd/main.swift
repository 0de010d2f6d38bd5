import MusterServer

await MusterdCommand.start()
