"""The pages: server-rendered, readable without script; the script only lets dialogue follow the sound."""
