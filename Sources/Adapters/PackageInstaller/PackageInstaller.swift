// PackageInstaller
