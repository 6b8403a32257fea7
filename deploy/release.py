"""Make the configuration directory a folder of its own again, as it is now; deploy/uninstall runs this."""

from reconciler.generations import Generations
from reconciler.host import Host
from reconciler.settings import read_settings

settings = read_settings()
generations = Generations(settings.state, settings.config_directory, Host())
with generations.lock():
    generations.release()
